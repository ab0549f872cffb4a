import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../../../storage/clock.ts';
import { errnoOf, fromErrno, makeDirectory, writeFileDurably } from '../../../storage/durable.ts';
import { parseRepoName, type RepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef, type OstreeRef } from '../../../storage/ostree/ref-name.ts';

/** A build in flat-manager's sense: refs that move together once it is published. */
export interface Build {
  readonly id: string;
  readonly repo: RepoName;
}

export interface BuildRef {
  readonly ref: OstreeRef;
  readonly commit: OstreeChecksum;
}

/** 32 hex digits, so that nobody finds another's. */
const ID = /^[0-9a-f]{32}$/;
/** A build that nobody touched for so long is forgotten. */
const TTL_MS = 24 * 60 * 60 * 1000;
const MAX_BUILDS = 10_000;
const MAX_REFS = 4096;

/**
 * Builds that are open, as files in a folder that all serving processes share: `<id>/repo` holds the
 * repository's name, `<id>/<sha256 of the ref>` a ref and its commit, `<id>/published` stands for itself.
 */
export class Builds {
  readonly #folder: string;
  readonly #clock: Clock;

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Undefined when too many are open. */
  async create(repo: RepoName): Promise<Build | undefined> {
    await makeDirectory(this.#folder);
    if ((await this.#sweep()) >= MAX_BUILDS) return undefined;
    const id = randomBytes(16).toString('hex');
    await makeDirectory(join(this.#folder, id));
    await this.#write(id, 'repo', repo);
    return { id, repo };
  }

  /** Undefined for an id that is none, or of no open build. */
  async get(id: string): Promise<Build | undefined> {
    const repo = ID.test(id) ? await this.#read(id, 'repo') : undefined;
    return repo === undefined ? undefined : { id, repo: parseRepoName(repo) };
  }

  /** False when the build has as many refs as one may have. */
  async setRef({ id }: Build, { ref, commit }: BuildRef): Promise<boolean> {
    if ((await readdir(join(this.#folder, id))).length > MAX_REFS) return false;
    const name = createHash('sha256').update(ref).digest('hex');
    await this.#write(id, name, `${commit} ${ref}`);
    return true;
  }

  async refs({ id }: Build): Promise<readonly BuildRef[]> {
    const names = await readdir(join(this.#folder, id));
    const texts = names.filter((name) => name.length === 64).map((name) => this.#read(id, name));
    return (await Promise.all(texts)).flatMap((text) => {
      const [commit, ref] = text?.split(' ') ?? [];
      if (commit === undefined || ref === undefined) return [];
      return [{ ref: parseOstreeRef(ref), commit: parseOstreeChecksum(commit) }];
    });
  }

  async markPublished({ id }: Build): Promise<void> {
    await this.#write(id, 'published', '');
  }

  async isPublished({ id }: Build): Promise<boolean> {
    return (await this.#read(id, 'published')) !== undefined;
  }

  async remove({ id }: Build): Promise<void> {
    await rm(join(this.#folder, id), { recursive: true, force: true });
  }

  async #write(id: string, name: string, text: string): Promise<void> {
    try {
      await writeFileDurably(join(this.#folder, id, name), Buffer.from(text));
    } catch (error) {
      throw fromErrno(error, `cannot keep the build ${id}`);
    }
  }

  async #read(id: string, name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, id, name), 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw fromErrno(error, `cannot read the build ${id}`);
    }
  }

  /** Forgets old builds; resolves to how many are left. */
  async #sweep(): Promise<number> {
    const ids = (await readdir(this.#folder)).filter((name) => ID.test(name));
    let left = ids.length;
    for (const id of ids) {
      const path = join(this.#folder, id);
      const touchedMs = await this.#touchedMs(path);
      if (touchedMs === undefined || touchedMs > this.#clock() - TTL_MS) continue;
      await rm(path, { recursive: true, force: true });
      left -= 1;
    }
    return left;
  }

  /** Undefined for what another process has swept meanwhile. */
  async #touchedMs(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).mtimeMs;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw fromErrno(error, `cannot look at the build ${path}`);
    }
  }
}
