import { join } from 'node:path';

import { LocalRepo } from '../local-repo.ts';
import { localObjectPath } from '../local/object-file.ts';
import { readParts } from '../local/read-parts.ts';
import type { Checksum } from '../objects/checksum.ts';
import { writeFilez } from '../objects/filez-write.ts';
import type { MetadataKind } from '../objects/object-name.ts';
import { checkedFilez } from './checked-filez.ts';
import { objectFault } from './object-fault.ts';
import type { ObjectSource, SourceOptions } from './object-source.ts';

/** A repository in a folder, of any mode: an archive's files as they are, others' compressed now. */
export class LocalSource implements ObjectSource {
  readonly label: string;
  readonly concurrency = 1;
  readonly #repo: LocalRepo;

  private constructor(repo: LocalRepo) {
    this.#repo = repo;
    this.label = repo.path;
  }

  /** Throws `missing` or `bad_format` when the folder is no repository of a known mode. */
  static async open(path: string, options: SourceOptions = {}): Promise<LocalSource> {
    return new LocalSource(await LocalRepo.open(path, options));
  }

  resolveRef(name: string, options: SourceOptions = {}): Promise<Checksum> {
    return this.#repo.resolveRef(name, options);
  }

  readMetadata(
    kind: MetadataKind,
    checksum: Checksum,
    options: SourceOptions = {},
  ): Promise<Buffer> {
    return this.#repo.readMetadata(kind, checksum, options);
  }

  readCommitmeta(commit: Checksum, options: SourceOptions = {}): Promise<Buffer | undefined> {
    return this.#repo.readCommitmeta(commit, options);
  }

  // Nothing is open before the first byte is asked for.
  openFilez(checksum: Checksum, options: SourceOptions = {}): Promise<AsyncIterable<Buffer>> {
    return Promise.resolve(this.#filez(checksum, options));
  }

  async *#filez(checksum: Checksum, options: SourceOptions): AsyncGenerator<Buffer, void> {
    const name = { kind: 'file', checksum } as const;
    const { path, config } = this.#repo;
    try {
      if (config.mode === 'archive') {
        const file = join(path, localObjectPath('archive', name));
        yield* checkedFilez(readParts(file, options.signal), checksum, options);
        return;
      }
      const file = await this.#repo.openFile(checksum, options);
      try {
        yield* writeFilez(file, file.content);
      } finally {
        file.close();
      }
    } catch (error) {
      throw objectFault(error, name, this.label);
    }
  }
}
