import { setImmediate } from 'node:timers/promises';

import type { OstreeFacts, OstreeReleases } from '../../../delta/agent/ostree-protocol.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { OstreeRefRow } from '../../../storage/catalog/ostree-catalog.ts';
import type { OstreeDeltaRow } from '../../../storage/catalog/ostree-delta-catalog.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import { MAX_STEPS, TELLING, type OstreeFactsReader } from './facts.ts';

export interface OstreeReleasesOptions {
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas'>;
  readonly facts: OstreeFactsReader;
}

/** What one answer tells of all refs: the ones moved last. */
const MAX_REFS = 5000;
const MAX_ROWS = 50_000;
const PAGE = 1000;
/** Commits measured for one answer: it takes each a tenth of a second, and nothing else meanwhile. */
const MAX_MEASURED = 8;

/** Where a ref is. */
interface Head {
  readonly repo: RepoName;
  readonly row: OstreeRefRow;
}

/**
 * Every ref, those moved last first, up to a bound; also without refs whose commit nobody has measured
 * yet, but for a few that are measured now.
 */
export async function ostreeReleases(
  { catalog, facts }: OstreeReleasesOptions,
  { signal }: IoOptions = {},
): Promise<OstreeReleases> {
  const heads = await headsOf(catalog);
  const told = heads.slice(0, MAX_REFS);
  const deltas = await deltasOf(catalog, new Set(told.map(({ repo }) => repo)));
  let complete = told.length === heads.length && deltas.complete;
  let measured = 0;
  const refs: OstreeFacts[] = [];
  for (const { repo, row } of told) {
    signal?.throwIfAborted();
    const rows = (deltas.byTarget.get(targetKey(repo, row.checksum)) ?? []).slice(0, MAX_STEPS);
    if (!facts.isMeasured(repo, row, rows)) {
      if (measured >= MAX_MEASURED) {
        complete = false;
        continue;
      }
      measured += 1;
      // The catalog answers without letting anyone else have a turn.
      await setImmediate();
    }
    refs.push(await facts.of(repo, row, rows));
  }
  return { refs, complete };
}

async function headsOf({ ostree }: Pick<Catalog, 'ostree'>): Promise<readonly Head[]> {
  const heads: Head[] = [];
  for (const repo of await ostree.repos()) {
    for (const row of await ostree.refs(repo)) heads.push({ repo, row });
  }
  return heads.toSorted((a, b) => b.row.moveId - a.row.moveId);
}

/** By repository and commit where they lead. */
async function deltasOf(
  { ostreeDeltas }: Pick<Catalog, 'ostreeDeltas'>,
  repos: ReadonlySet<RepoName>,
): Promise<{
  readonly byTarget: ReadonlyMap<string, readonly OstreeDeltaRow[]>;
  readonly complete: boolean;
}> {
  const byTarget = new Map<string, OstreeDeltaRow[]>();
  let count = 0;
  for (const repo of repos) {
    let after: number | undefined;
    do {
      if (count >= MAX_ROWS) return { byTarget, complete: false };
      const rows = await ostreeDeltas.list({ repo, states: TELLING, after, limit: PAGE });
      for (const row of rows) {
        const key = targetKey(repo, row.to);
        const known = byTarget.get(key);
        if (known === undefined) byTarget.set(key, [row]);
        else known.push(row);
      }
      count += rows.length;
      after = rows.length < PAGE ? undefined : rows.at(-1)?.id;
    } while (after !== undefined);
  }
  return { byTarget, complete: true };
}

function targetKey(repo: RepoName, to: string): string {
  return `${repo} ${to}`;
}
