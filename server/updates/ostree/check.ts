import type {
  OstreeCheckRequest,
  OstreeDecision,
  OstreeFacts,
} from '../../../delta/agent/ostree-protocol.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import { RETIRED_DELTA_MS } from '../../../storage/gc/collect.ts';
import { parseRepoName, type RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { MatrixConfig } from '../../config.ts';
import type { IncomingCheck } from '../check.ts';
import { FleetFiles } from '../fleet-files.ts';
import type { Outcome } from '../outcome.ts';
import { currentCommit, decideOstree, stepFrom } from './decide.ts';
import type { OstreeFactsReader } from './facts.ts';

export interface OstreeCheckOptions {
  readonly catalog: Pick<Catalog, 'ostreeDeltas' | 'fleet'>;
  readonly facts: OstreeFactsReader;
  readonly matrix: Pick<MatrixConfig, 'liveMs'>;
  /** Tells the builders that the matrix has work. */
  readonly poke: () => void;
  readonly clock: Clock;
}

/** The check of OSTree's commits at the origin: what `CheckService` does for images. */
export class OstreeCheckService {
  readonly #options: OstreeCheckOptions;
  readonly #files: FleetFiles;

  constructor(options: OstreeCheckOptions) {
    this.#options = options;
    this.#files = new FleetFiles(options.catalog.fleet);
  }

  async check(incoming: IncomingCheck<OstreeCheckRequest>): Promise<Outcome<OstreeDecision>> {
    const { ask, deviceId, region, servers } = incoming;
    const product = parseRepoName(ask.product);
    const channel = parseOstreeRef(ask.channel);
    const current = currentCommit(ask);
    const nowMs = this.#options.clock();
    await this.#files.seen({
      kind: 'ostree',
      id: deviceId,
      product,
      channel,
      region: region ?? '',
      current,
      seenMs: nowMs,
    });
    let known = await this.#options.facts.ref(product, channel);
    if (known !== undefined && current !== undefined && current !== known.commit) {
      known = await this.#withBase(known, product, current, ask);
    }
    const outcome = decideOstree(known, ask, { deviceId, nowMs, servers });
    if (outcome.kind === 'update') {
      const { id, from, target } = outcome.decision;
      const to = target.commit;
      await this.#files.decided({
        kind: 'ostree',
        id,
        deviceId,
        product,
        from,
        to,
        createdMs: nowMs,
      });
    }
    return outcome;
  }

  /** The facts once they tell of the way from that commit, as far as the repository holds it. */
  async #withBase(
    facts: OstreeFacts,
    repo: RepoName,
    from: OstreeChecksum,
    ask: OstreeCheckRequest,
  ): Promise<OstreeFacts> {
    const takesDelta = ask.accept.includes('ostree-delta');
    const isTold = (known: OstreeFacts): boolean =>
      stepFrom(known, from) !== undefined || (takesDelta && known.building.includes(from));
    const reader = this.#options.facts;
    if (isTold(facts) || !(await reader.held.has(repo, from))) return facts;
    if (!takesDelta || !(await this.#planDelta(facts, repo, from))) {
      return reader.withStep(facts, repo, from);
    }
    const again = (await reader.ref(repo, parseOstreeRef(facts.channel))) ?? facts;
    return isTold(again) ? again : reader.withStep(again, repo, from);
  }

  /** As `CheckService` puts a pair into the matrix at once. True when it was added. */
  async #planDelta(
    { commit: to, channel }: OstreeFacts,
    repo: RepoName,
    from: OstreeChecksum,
  ): Promise<boolean> {
    const { catalog, matrix, poke, clock } = this.#options;
    if (matrix.liveMs <= 0) return false;
    const rows = await catalog.ostreeDeltas.list({ repo, from, to, limit: 1 });
    if (rows.some(({ state }) => state !== 'retired')) return false;
    const pair = { repo, ref: parseOstreeRef(channel), from, to };
    const added = await catalog.ostreeDeltas.ensure([pair], clock() - RETIRED_DELTA_MS);
    if (added > 0) poke();
    return added > 0;
  }
}
