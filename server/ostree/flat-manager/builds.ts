import { randomBytes } from 'node:crypto';

import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { OstreeBuild, OstreeBuildRef } from '../../../storage/catalog/ostree-build-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { RepoName } from '../../../storage/names.ts';

/** A build in flat-manager's sense: refs that move together once it is published. */
export type Build = Pick<OstreeBuild, 'id' | 'repo'>;

/** 32 hex digits, so that nobody finds another's. */
const ID = /^[0-9a-f]{32}$/;
/** A build that nobody touched for so long is forgotten. */
const TTL_MS = 24 * 60 * 60 * 1000;
const MAX_BUILDS = 10_000;
const MAX_REFS = 4096;

/** Builds that are open, in the catalog: whichever origin is asked knows them. */
export class Builds {
  readonly #rows: Catalog['ostreeBuilds'];
  readonly #clock: Clock;

  constructor({ ostreeBuilds }: Pick<Catalog, 'ostreeBuilds'>, clock: Clock) {
    this.#rows = ostreeBuilds;
    this.#clock = clock;
  }

  /** Undefined when too many are open. */
  async create(repo: RepoName): Promise<Build | undefined> {
    const id = randomBytes(16).toString('hex');
    const bounds = { untouchedSinceMs: this.#clock() - TTL_MS, limit: MAX_BUILDS };
    return (await this.#rows.create(id, repo, bounds)) ? { id, repo } : undefined;
  }

  /** Undefined for an id that is none, or of no open build. */
  async get(id: string): Promise<Build | undefined> {
    return ID.test(id) ? this.#rows.get(id) : undefined;
  }

  /** False when the build has as many refs as one may have. */
  async setRef({ id }: Build, ref: OstreeBuildRef): Promise<boolean> {
    return this.#rows.setRef(id, ref, MAX_REFS);
  }

  async refs({ id }: Build): Promise<readonly OstreeBuildRef[]> {
    return this.#rows.refs(id);
  }

  async markPublished({ id }: Build): Promise<void> {
    await this.#rows.markPublished(id);
  }

  async isPublished({ id }: Build): Promise<boolean> {
    return (await this.#rows.get(id))?.isPublished === true;
  }

  async remove({ id }: Build): Promise<void> {
    await this.#rows.remove(id);
  }
}
