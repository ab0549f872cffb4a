import type { PlatformFacts, ReleaseFacts } from '../../delta/agent/protocol.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaRow, DeltaState } from '../../storage/catalog/delta-catalog.ts';
import type { Release } from '../../storage/catalog/repository-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import type { Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import { readHeldImages } from './held-images.ts';
import { pacesOf, type UpdateRule } from './update-rules.ts';
import type { BrokenImage, ImageReader, ImageSummary } from './images.ts';

type LayerFacts = PlatformFacts['layers'][number];
type ChunkedFacts = Pick<LayerFacts, 'rawSize' | 'index'>;

/** A delta that may come. */
export const BUILDING: readonly DeltaState[] = ['pending', 'building', 'proving'];
const NOT_CHUNKED: ChunkedFacts = {};
const MAX_DELTAS = 1000;
/** No builder has touched the row for so long: a device does not wait for it any more. */
export const PATIENCE_MS = 30 * 60_000;
/** Layers remembered as settled, and broken images reported. */
const MAX_REMEMBERED = 16_384;

export interface FactsOptions {
  readonly catalog: Pick<Catalog, 'repositories' | 'layers' | 'deltas'>;
  readonly images: ImageReader;
  readonly clock: Clock;
  /** How devices may take releases. */
  readonly updates?: readonly UpdateRule[] | undefined;
  /** Told once of each image that can't be read or is not there; it is left out. */
  readonly onBroken: (release: Release, broken: BrokenImage) => void;
}

/**
 * All that deciding needs of the catalog's channels. What can't change is remembered (images by
 * digest, layers that are chunked or opaque); tags and deltas are read each time, so that an answer
 * is never older than the catalog, whichever process changed it.
 */
export class ReleaseFactsReader {
  readonly #catalog: FactsOptions['catalog'];
  readonly #images: ImageReader;
  readonly #clock: Clock;
  readonly #updates: readonly UpdateRule[];
  readonly #onBroken: FactsOptions['onBroken'];
  readonly #settledLayers = new Map<Digest, ChunkedFacts>();
  readonly #reported = new Set<Digest>();

  constructor({ catalog, images, clock, updates = [], onBroken }: FactsOptions) {
    this.#catalog = catalog;
    this.#images = images;
    this.#clock = clock;
    this.#updates = updates;
    this.#onBroken = onBroken;
  }

  /** Every channel that holds at least one image, in the catalog's order. */
  async all(options: IoOptions = {}): Promise<readonly ReleaseFacts[]> {
    const facts: ReleaseFacts[] = [];
    for (const head of await this.#catalog.repositories.heads()) {
      const found = await this.#release(head, options);
      if (found.platforms.length > 0) facts.push(found);
    }
    return facts;
  }

  /** One channel; undefined when the tag does not exist. */
  async channel(
    repo: RepoName,
    tag: Tag,
    options: IoOptions = {},
  ): Promise<ReleaseFacts | undefined> {
    const { repositories } = this.#catalog;
    const digest = await repositories.resolveTag(repo, tag);
    if (digest === undefined) return undefined;
    const newest = (await repositories.releases(repo, tag, 1))[0];
    return newest === undefined ? undefined : this.#release(newest, options);
  }

  async #release(head: Release, options: IoOptions): Promise<ReleaseFacts> {
    const source = { images: this.#images, repositories: this.#catalog.repositories };
    const set = await readHeldImages(source, head.repo, head.digest, options);
    const { images, broken, absent } = set;
    for (const image of [...broken, ...absent]) this.#report(head, image);
    const platforms: PlatformFacts[] = [];
    for (const image of images) platforms.push(await this.#platform(head.repo, image));
    const paces = pacesOf(this.#updates, head.repo);
    return {
      product: head.repo,
      channel: head.tag,
      releaseCounter: head.id,
      digest: head.digest,
      pushedMs: head.pushedMs,
      platforms,
      ...(paces.length > 0 && { paces }),
    };
  }

  /** Deltas to the image count whichever tag they were planned for: the bytes are the same. */
  async #platform(repo: RepoName, image: ImageSummary): Promise<PlatformFacts> {
    const layers: LayerFacts[] = [];
    for (const { digest, size, diffId } of image.layers) {
      layers.push({ digest, size, diffId, ...(await this.#layer(digest)) });
    }
    const rows = await this.#catalog.deltas.list({
      repo,
      to: image.manifest.digest,
      states: [...BUILDING, 'published'],
      limit: MAX_DELTAS,
    });
    const deltas = publishedDeltas(rows);
    const done = new Set(deltas.map(({ from }) => from));
    const patientMs = this.#clock() - PATIENCE_MS;
    const building = rows.filter(
      ({ state, from, updatedMs }) =>
        state !== 'published' && !done.has(from) && updatedMs > patientMs,
    );
    return {
      platform: image.platform,
      manifest: image.manifest,
      config: image.config,
      layers,
      deltas,
      building: [...new Set(building.map(({ from }) => from))],
    };
  }

  async #layer(digest: Digest): Promise<ChunkedFacts> {
    const settled = this.#settledLayers.get(digest);
    if (settled !== undefined) return settled;
    const row = await this.#catalog.layers.get(digest);
    if (row === undefined || row.state === 'pending' || row.state === 'chunking')
      return NOT_CHUNKED;
    const facts = row.state === 'opaque' ? NOT_CHUNKED : { rawSize: row.rawSize, index: row.index };
    if (this.#settledLayers.size >= MAX_REMEMBERED) this.#settledLayers.clear();
    this.#settledLayers.set(digest, facts);
    return facts;
  }

  #report(head: Release, broken: BrokenImage): void {
    if (this.#reported.has(broken.digest)) return;
    if (this.#reported.size >= MAX_REMEMBERED) this.#reported.clear();
    this.#reported.add(broken.digest);
    this.#onBroken(head, broken);
  }
}

/** The smallest published delta from each version. */
function publishedDeltas(rows: readonly DeltaRow[]): PlatformFacts['deltas'] {
  const smallest = new Map<Digest, PlatformFacts['deltas'][number]>();
  for (const { state, from, result } of rows) {
    if (state !== 'published' || result === undefined) continue;
    const { digest, size, ramBytes } = result;
    const known = smallest.get(from);
    if (known === undefined || size < known.size)
      smallest.set(from, { from, digest, size, ramBytes });
  }
  return [...smallest.values()];
}
