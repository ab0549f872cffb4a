import type { OstreeFacts, OstreeStep } from '../../../delta/agent/ostree-protocol.ts';
import type { BlobReader } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { DeltaState } from '../../../storage/catalog/delta-catalog.ts';
import type { OstreeRefRow } from '../../../storage/catalog/ostree-catalog.ts';
import type { OstreeDeltaRow } from '../../../storage/catalog/ostree-delta-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { BUILDING, PATIENCE_MS } from '../facts.ts';
import { HeldCommits } from './held-commits.ts';
import { LooseSizes } from './loose-sizes.ts';
import { SuperblockSizes } from './superblock-sizes.ts';

/** What tells of a way to a commit: also that its delta was not worth it. */
export const TELLING: readonly DeltaState[] = [...BUILDING, 'published', 'rejected'];
/** Ways told of one commit. */
export const MAX_STEPS = 1000;

export interface OstreeFactsOptions {
  readonly catalog: Pick<Catalog, 'ostree' | 'ostreeDeltas'>;
  readonly blobs: BlobReader;
  readonly clock: Clock;
}

/**
 * All that deciding needs of OSTree's refs, as `ReleaseFactsReader` has it of channels: read from the
 * catalog each time, but for what can't change.
 */
export class OstreeFactsReader {
  readonly #options: OstreeFactsOptions;
  /** What can be a base. */
  readonly held: HeldCommits;
  readonly #loose: LooseSizes;
  readonly #superblocks: SuperblockSizes;

  constructor(options: OstreeFactsOptions) {
    this.#options = options;
    this.held = new HeldCommits(options.catalog.ostree);
    this.#loose = new LooseSizes(options.catalog.ostreeDeltas);
    this.#superblocks = new SuperblockSizes(options);
  }

  /** One ref; undefined when there is none. */
  async ref(repo: RepoName, ref: OstreeRef): Promise<OstreeFacts | undefined> {
    const { ostree, ostreeDeltas } = this.#options.catalog;
    const [row] = await ostree.refs(repo, ref);
    if (row === undefined) return undefined;
    const to = row.checksum;
    const rows = await ostreeDeltas.list({ repo, to, states: TELLING, limit: MAX_STEPS });
    return this.of(repo, row, rows);
  }

  /** Whether telling of the ref costs no measuring. */
  isMeasured(repo: RepoName, row: OstreeRefRow, deltas: readonly OstreeDeltaRow[]): boolean {
    const scratch = deltas.find(({ from }) => from === undefined);
    const name = { repo, from: undefined, to: row.checksum };
    return scratch?.result !== undefined || this.#loose.knows(name);
  }

  /** The facts with what a pull from a held commit takes, where they do not tell: of pairs nobody built. */
  async withStep(facts: OstreeFacts, repo: RepoName, from: OstreeChecksum): Promise<OstreeFacts> {
    const objects = await this.#loose.of({ repo, from, to: facts.commit });
    return { ...facts, steps: [...facts.steps, { from, objects }] };
  }

  /** Bytes of a pull without a static delta; undefined for a commit that the repository does not hold. */
  async pullBytes(
    repo: RepoName,
    from: OstreeChecksum | undefined,
    to: OstreeChecksum,
  ): Promise<number | undefined> {
    if (!(await this.held.has(repo, to))) return undefined;
    const base = from !== undefined && (await this.held.has(repo, from)) ? from : undefined;
    return (await this.#loose.of({ repo, from: base, to })).bytes;
  }

  /** Of what was read of it: `deltas` lead to its commit, in states of {@link TELLING}. */
  async of(
    repo: RepoName,
    { ref, checksum: commit, moveId, updatedMs }: OstreeRefRow,
    deltas: readonly OstreeDeltaRow[],
  ): Promise<OstreeFacts> {
    const superblocks = await this.#superblocks.of(repo, commit, deltas);
    const steps = deltas.flatMap((row) => stepOf(row, superblocks) ?? []);
    const whole = steps.find(({ from }) => from === undefined)?.objects;
    const patientMs = this.#options.clock() - PATIENCE_MS;
    const building = deltas.flatMap(({ state, from, updatedMs: touchedMs }) =>
      BUILDING.includes(state) && touchedMs > patientMs && from !== undefined ? [from] : [],
    );
    return {
      product: repo,
      channel: ref,
      releaseCounter: moveId,
      commit,
      movedMs: updatedMs,
      whole: whole ?? (await this.#loose.of({ repo, from: undefined, to: commit })),
      steps,
      building,
    };
  }
}

/** Undefined while nobody has measured it. */
function stepOf(
  { state, from, result }: OstreeDeltaRow,
  superblocks: ReadonlyMap<OstreeChecksum | undefined, number>,
): OstreeStep | undefined {
  if (result === undefined) return undefined;
  const { partBytes, fallbackBytes, fullBytes, fullRequests, requests } = result;
  const superblockBytes = superblocks.get(from);
  return {
    ...(from !== undefined && { from }),
    objects: { bytes: fullBytes, requests: fullRequests },
    ...(state === 'published' &&
      superblockBytes !== undefined && {
        delta: { superblockBytes, partBytes, fallbackBytes, requests },
      }),
  };
}
