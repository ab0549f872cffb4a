import { wantedPairs, type TagHistory } from '../../delta/matrix.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { DeltaPair } from '../../storage/catalog/delta-catalog.ts';
import type { LiveImage } from '../../storage/catalog/fleet-catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { RETIRED_DELTA_MS } from '../../storage/gc/collect.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { MatrixConfig } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import { readHeldImages } from '../updates/held-images.ts';
import { basePlatforms, type ImageReader, type ImageSummary } from '../updates/images.ts';
import { rowsNotRetired } from './wanted-rows.ts';

export interface MatrixPlannerOptions {
  readonly catalog: Catalog;
  readonly images: ImageReader;
  readonly matrix: Pick<MatrixConfig, 'releases' | 'liveMs'>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A tag's releases as they could be read. */
interface ReadHistory extends TagHistory {
  readonly images: readonly ImageSummary[];
  /** Something could not be read: what it asked for earlier must stay. */
  readonly broken: boolean;
}

/**
 * Brings the matrix to what policy wants: layers to be chunked, pairs to be built, rows to be
 * retired. It only compares and writes rows; nothing depends on an event having arrived.
 */
export class MatrixPlanner {
  readonly #options: MatrixPlannerOptions;

  constructor(options: MatrixPlannerOptions) {
    this.#options = options;
  }

  /** Plans one tag, as after a push. Returns how many pairs were added. */
  async planTag(repo: RepoName, tag: Tag, options: IoOptions = {}): Promise<number> {
    const history = await this.#history(repo, tag, options);
    const live = await this.#liveVersions([history], options);
    return this.#ensure([history], live);
  }

  /** Plans every tag and retires what no tag wants any more. */
  async reconcile(
    options: IoOptions = {},
  ): Promise<{ readonly added: number; readonly retired: number }> {
    const { catalog, matrix } = this.#options;
    // Listed first: a row that a check adds from now on is not judged by what was read before it.
    const rows = await rowsNotRetired(catalog.deltas);
    const histories: ReadHistory[] = [];
    for (const { repo, tag } of await catalog.repositories.heads()) {
      options.signal?.throwIfAborted();
      histories.push(await this.#history(repo, tag, options));
    }
    const live = await this.#liveVersions(histories, options);
    const added = await this.#ensure(histories, live);

    const wanted = new Set(wantedPairs(histories, live, matrix).map(pairKey));
    const broken = new Set(histories.filter((h) => h.broken).map(tagKey));
    const unwanted = rows.filter((row) => !wanted.has(pairKey(row)) && !broken.has(tagKey(row)));
    if (unwanted.length > 0) await catalog.deltas.retire(unwanted.map(({ id }) => id));
    return { added, retired: unwanted.length };
  }

  async #ensure(histories: readonly ReadHistory[], live: readonly LiveImage[]): Promise<number> {
    const { catalog, matrix, clock } = this.#options;
    for (const image of histories.flatMap((history) => history.images)) {
      for (const { digest, mediaType } of image.layers) {
        // Reading first keeps the usual turn, where nothing is new, free of write locks.
        if ((await catalog.layers.get(digest)) === undefined) {
          await catalog.layers.ensure(digest, mediaType);
        }
      }
    }
    return catalog.deltas.ensure(wantedPairs(histories, live, matrix), clock() - RETIRED_DELTA_MS);
  }

  async #history(repo: RepoName, tag: Tag, options: IoOptions): Promise<ReadHistory> {
    const { catalog, matrix, images, logger } = this.#options;
    const found = await catalog.repositories.releases(repo, tag, matrix.releases + 1);
    const releases: { platform: string; manifest: ImageSummary['manifest']['digest'] }[][] = [];
    const read: ImageSummary[] = [];
    let broken = false;
    const source = { images, repositories: catalog.repositories };
    for (const { digest } of found) {
      // An absent image is no fault: nothing is planned for it, and nothing else waits for it.
      const set = await readHeldImages(source, repo, digest, options);
      for (const { digest: image, error } of set.broken) {
        broken = true;
        logger.debug({ repo, tag, digest: image, err: error }, 'no deltas for an unreadable image');
      }
      read.push(...set.images);
      releases.push(
        set.images.map(({ platform, manifest }) => ({ platform, manifest: manifest.digest })),
      );
    }
    return { repo, tag, releases, images: read, broken };
  }

  /**
   * Versions that devices run, of the tags at hand; only those that the repository holds, since a
   * device may report anything, under the platform of the image that can follow.
   */
  async #liveVersions(
    histories: readonly ReadHistory[],
    options: IoOptions,
  ): Promise<readonly LiveImage[]> {
    const { catalog, matrix, images, clock } = this.#options;
    if (matrix.liveMs <= 0) return [];
    const targets = new Map(
      histories.map((history) => [
        tagKey(history),
        (history.releases[0] ?? []).map(({ platform }) => platform),
      ]),
    );
    const live: LiveImage[] = [];
    for (const version of await catalog.fleet.liveImages(clock() - matrix.liveMs)) {
      const { product, channel, current } = version;
      const platforms = targets.get(tagKey({ repo: product, tag: channel }));
      if (platforms === undefined) continue;
      const source = { images, repositories: catalog.repositories };
      const set = await readHeldImages(source, product, current, options);
      const image = set.images.find(({ manifest }) => manifest.digest === current);
      if (image === undefined) continue;
      for (const platform of basePlatforms(image.platform, platforms)) {
        live.push({ ...version, platform });
      }
    }
    return live;
  }
}

function pairKey({ repo, tag, platform, from, to }: DeltaPair): string {
  return `${repo} ${tag} ${platform} ${from} ${to}`;
}

function tagKey({ repo, tag }: Pick<DeltaPair, 'repo' | 'tag'>): string {
  return `${repo} ${tag}`;
}
