import { setTimeout as sleep } from 'node:timers/promises';

import type { ReleasesResponse } from '../../delta/agent/protocol.ts';
import type { DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import { ServerError } from '../errors.ts';
import { getJson } from './http-client.ts';
import { formatBytes, type Bar, type Output } from './output.ts';

const POLL_MS = 250;
const DECIDED: readonly DeltaState[] = ['published', 'rejected', 'failed', 'retired'];

/** What `GET /v1/deltas` says of one pair (openapi.yaml, `Delta`). */
interface DeltaView {
  readonly id: number;
  readonly platform: string;
  readonly from: string;
  readonly to: string;
  readonly state: DeltaState;
  readonly progress: number;
  readonly reason?: string;
  readonly result?: { readonly size: number; readonly fullSize: number; readonly buildMs: number };
}

interface DeltaList {
  readonly deltas: readonly DeltaView[];
}

/**
 * Shows the matrix work on the release until every delta to it is decided. The origin plans a
 * release's pairs before it answers the push of its tag, so the list is whole from the start.
 */
export async function watchDeltas(
  server: URL,
  repo: RepoName,
  tag: Tag,
  release: Digest,
  output: Output,
  token?: string,
): Promise<void> {
  const bars = new Map<number, Bar>();
  const told = new Map<number, string>();
  for (;;) {
    const deltas = await deltasTo(server, repo, tag, release, token);
    for (const delta of deltas) {
      let bar = bars.get(delta.id);
      if (bar === undefined) {
        bar = output.bar(`delta ${delta.platform} ${delta.from.slice(7, 15)}`, 100, 'percent');
        bars.set(delta.id, bar);
      }
      bar.update(DECIDED.includes(delta.state) ? 100 : delta.progress * 100);
      const news = `${delta.state} ${delta.progress.toFixed(2)}`;
      if (told.get(delta.id) === news) continue;
      told.set(delta.id, news);
      output.event({ event: 'delta', ...delta });
    }
    if (deltas.every(({ state }) => DECIDED.includes(state))) {
      output.finish();
      for (const delta of deltas) output.say(summary(delta));
      if (deltas.length === 0) output.say('  no earlier release to build deltas from');
      return;
    }
    await sleep(POLL_MS);
  }
}

async function deltasTo(
  server: URL,
  repo: RepoName,
  tag: Tag,
  release: Digest,
  token: string | undefined,
): Promise<DeltaView[]> {
  const { releases } = (await getJson(server, '/v1/releases', token)) as ReleasesResponse;
  const facts = releases.find(
    ({ product, channel, digest }) => product === repo && channel === tag && digest === release,
  );
  if (facts === undefined) {
    throw new ServerError(
      'not_found',
      `${repo}:${tag} is no longer ${release}: it was pushed again`,
    );
  }
  const deltas: DeltaView[] = [];
  for (const { manifest } of facts.platforms) {
    const query = new URLSearchParams({ repo, to: manifest.digest, limit: '1000' });
    const answer = (await getJson(server, `/v1/deltas?${query.toString()}`, token)) as DeltaList;
    deltas.push(...answer.deltas);
  }
  return deltas;
}

function summary(delta: DeltaView): string {
  const head = `  ${delta.platform} from ${delta.from.slice(7, 19)}: ${delta.state}`;
  const { result } = delta;
  if (delta.state === 'published' && result !== undefined) {
    const ratio = ((100 * result.size) / result.fullSize).toFixed(1);
    return `${head}, ${formatBytes(result.size)} instead of ${formatBytes(result.fullSize)} (${ratio} %), built and proved in ${(result.buildMs / 1000).toFixed(1)} s`;
  }
  return delta.reason === undefined ? head : `${head}: ${delta.reason}`;
}
