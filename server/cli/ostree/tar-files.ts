import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { DeltaError } from '../../../delta/errors.ts';
import type { RepoFiles } from '../../../delta/ostree/source/repo-files.ts';
import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { fromErrno } from '../../../storage/durable.ts';
import { ServerError } from '../../errors.ts';
import { tarStream } from '../sources/made-image.ts';
import { streamOf, TarArchive } from '../sources/tar-archive.ts';

/** Bytes of the largest tar of a repository that is unpacked to be read in place. */
const MAX_TAR_BYTES = 64 * 1024 ** 3;
const BLOCK_BYTES = 512;

/** The files of a repository in a tar, read in place. Close it. */
export class TarFiles implements RepoFiles {
  readonly label: string;
  readonly concurrency = 1;
  readonly #archive: TarArchive;
  /** The folder of the repository in the tar: empty, or with a slash at its end. */
  readonly #prefix: string;
  /** What was unpacked to be read. */
  readonly #scratch: string | undefined;

  private constructor(path: string, archive: TarArchive, prefix: string, scratch?: string) {
    this.label = path;
    this.#archive = archive;
    this.#prefix = prefix;
    this.#scratch = scratch;
  }

  /** Opens a tar; one that is compressed (gzip, zstd) is unpacked beside, to be read at any place. */
  static async open(path: string): Promise<TarFiles> {
    if (await isPlainTar(path)) return TarFiles.#in(path, path);
    const scratch = await mkdtemp(join(tmpdir(), 'rivulet-push-'));
    try {
      const plain = join(scratch, 'repo.tar');
      const tar = openLayer(tarStream(path), { maxRawBytes: MAX_TAR_BYTES });
      await pipeline(tar, createWriteStream(plain));
      return await TarFiles.#in(path, plain, scratch);
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  }

  static async #in(path: string, plain: string, scratch?: string): Promise<TarFiles> {
    const archive = await TarArchive.open(plain);
    const prefix = repositoryIn(archive.names());
    if (prefix !== undefined) return new TarFiles(path, archive, prefix, scratch);
    await archive.close();
    throw new ServerError(
      'invalid_input',
      `${path} holds no OSTree repository: no folder in it has a config and objects`,
    );
  }

  read(path: string, maxBytes: number): Promise<Buffer | undefined> {
    const member = this.#archive.member(this.#prefix + path);
    if (member === undefined) return Promise.resolve(undefined);
    if (member.size > maxBytes) {
      const message = `${path} in ${this.label} has ${member.size} bytes, the limit is ${maxBytes}`;
      return Promise.reject(new DeltaError('too_large', message));
    }
    return member.read(0, member.size);
  }

  open(path: string): Promise<AsyncIterable<Buffer> | undefined> {
    const member = this.#archive.member(this.#prefix + path);
    return Promise.resolve(member === undefined ? undefined : streamOf(member));
  }

  async close(): Promise<void> {
    await this.#archive.close();
    if (this.#scratch !== undefined) await rm(this.#scratch, { recursive: true, force: true });
  }
}

/** A tar's first header says what it is at byte 257; compressed files begin with other bytes. */
async function isPlainTar(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw fromErrno(error, `cannot read ${path}`);
  });
  try {
    const { buffer } = await file.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, 0);
    return buffer.toString('latin1', 257, 262) === 'ustar';
  } finally {
    await file.close();
  }
}

/** The outermost folder that has a config and objects. */
function repositoryIn(names: Iterable<string>): string | undefined {
  const configs: string[] = [];
  const folders = new Set<string>();
  for (const name of names) {
    if (name === 'config' || name.endsWith('/config')) configs.push(name.slice(0, -6));
    const objects = /^(|.*\/)objects\//.exec(name);
    if (objects !== null) folders.add(objects[1] ?? '');
  }
  return configs.filter((one) => folders.has(one)).toSorted((a, b) => a.length - b.length)[0];
}
