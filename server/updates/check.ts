import type { CheckRequest, Decision, ReleaseFacts } from '../../delta/agent/protocol.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import { RETIRED_DELTA_MS } from '../../storage/gc/collect.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { MatrixConfig } from '../config.ts';
import { acceptedPlans, askedPlatform, currentDigest, decide, matchPlatform } from './decide.ts';
import type { ReleaseFactsReader } from './facts.ts';
import { FleetFiles } from './fleet-files.ts';
import { readHeldImages } from './held-images.ts';
import { basePlatforms, type ImageReader } from './images.ts';
import type { Outcome } from './outcome.ts';

export interface CheckOptions {
  readonly catalog: Pick<Catalog, 'repositories' | 'deltas' | 'fleet'>;
  readonly facts: ReleaseFactsReader;
  readonly images: ImageReader;
  readonly matrix: Pick<MatrixConfig, 'liveMs'>;
  /** Tells the builders that the matrix has work. */
  readonly poke: () => void;
  readonly clock: Clock;
}

/** A check as it arrived, its body validated. */
export interface IncomingCheck<Ask> {
  readonly deviceId: string;
  readonly ask: Ask;
  readonly region: string | undefined;
  /** As in `DecideEnv`. */
  readonly servers: readonly string[];
}

/** The check of images at the origin: files the device, sees to its delta, decides, files the decision. */
export class CheckService {
  readonly #options: CheckOptions;
  readonly #files: FleetFiles;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#files = new FleetFiles(options.catalog.fleet);
  }

  async check(
    incoming: IncomingCheck<CheckRequest>,
    options: IoOptions = {},
  ): Promise<Outcome<Decision>> {
    const { facts, clock } = this.#options;
    const { ask, deviceId, region, servers } = incoming;
    const product = parseRepoName(ask.product);
    await this.#seen(incoming);
    let known = await facts.channel(product, parseTag(ask.channel), options);
    if (known !== undefined && (await this.#planDelta(known, ask, options))) {
      known = await facts.channel(product, parseTag(ask.channel), options);
    }
    const nowMs = clock();
    const outcome = decide(known, ask, { deviceId, nowMs, region, servers });
    if (outcome.kind === 'update') {
      const { id, from, target } = outcome.decision;
      const to = target.digest;
      await this.#files.decided({ kind: 'oci', id, deviceId, product, from, to, createdMs: nowMs });
    }
    return outcome;
  }

  async #seen({ ask, deviceId, region }: IncomingCheck<CheckRequest>): Promise<void> {
    await this.#files.seen({
      kind: 'oci',
      id: deviceId,
      product: parseRepoName(ask.product),
      channel: parseTag(ask.channel),
      platform: askedPlatform(ask),
      region: region ?? '',
      current: currentDigest(ask),
      seenMs: this.#options.clock(),
    });
  }

  /**
   * Puts the pair into the matrix at once when a live device needs it and nobody planned it: policy
   * would do so at its next turn anyway. True when a pair was added.
   */
  async #planDelta(facts: ReleaseFacts, ask: CheckRequest, options: IoOptions): Promise<boolean> {
    const { catalog, matrix, poke, clock } = this.#options;
    const target = matchPlatform(facts.platforms, ask);
    const from = currentDigest(ask);
    if (target === undefined || from === undefined || from === target.manifest.digest) return false;
    if (matrix.liveMs <= 0 || !acceptedPlans(ask).includes('delta')) return false;
    const repo = parseRepoName(facts.product);
    const to = target.manifest.digest;
    const rows = await catalog.deltas.list({ repo, from, to, limit: 100 });
    if (rows.some(({ state }) => state !== 'retired')) return false;
    if (!(await this.#isImageOf(facts, from, target.platform, options))) return false;
    const pair = { repo, tag: parseTag(facts.channel), platform: target.platform, from, to };
    const added = await catalog.deltas.ensure([pair], clock() - RETIRED_DELTA_MS);
    if (added > 0) poke();
    return true;
  }

  /** Only what the repository holds, of the same platform, can be a base. */
  async #isImageOf(
    facts: ReleaseFacts,
    digest: Digest,
    platform: string,
    options: IoOptions,
  ): Promise<boolean> {
    const { catalog, images } = this.#options;
    const { repositories } = catalog;
    const repo = parseRepoName(facts.product);
    const found = await readHeldImages({ images, repositories }, repo, digest, options);
    return found.images.some(
      (image) =>
        image.manifest.digest === digest && basePlatforms(image.platform, [platform]).length > 0,
    );
  }
}
