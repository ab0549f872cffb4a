import { StorageError } from '../../../storage/errors.ts';
import { DeltaError } from '../../errors.ts';
import { parseConfig } from '../config.ts';
import {
  checksumOf,
  isChecksum,
  parseChecksum,
  verifyChecksum,
  type Checksum,
} from '../objects/checksum.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';
import {
  objectFileName,
  objectPath,
  type MetadataKind,
  type ObjectName,
} from '../objects/object-name.ts';
import { parseRefName } from '../ref-name.ts';
import { parseSummary } from '../summary.ts';
import { checkedFilez } from './checked-filez.ts';
import { objectFault } from './object-fault.ts';
import type { ObjectSource, SourceOptions } from './object-source.ts';
import { RecentMetadata } from './recent-metadata.ts';
import type { RepoFiles } from './repo-files.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;
/** 64 digits and a line end. */
const MAX_REF_BYTES = 256;

/** A repository of mode archive whose files come from anywhere. */
export class ArchiveSource implements ObjectSource {
  readonly label: string;
  readonly concurrency: number;
  readonly #files: RepoFiles;
  readonly #recent = new RecentMetadata();

  private constructor(files: RepoFiles) {
    this.#files = files;
    this.label = files.label;
    this.concurrency = files.concurrency;
  }

  /** Throws `missing` where no repository is, `bad_format` for one of another mode. */
  static async open(files: RepoFiles, options: SourceOptions = {}): Promise<ArchiveSource> {
    const bytes = await files.read('config', MAX_CONFIG_BYTES, options);
    if (bytes === undefined) {
      throw new StorageError('missing', `${files.label} is no OSTree repository: it has no config`);
    }
    const { mode } = parseConfig(bytes.toString('utf8'));
    if (mode !== 'archive') {
      throw new DeltaError(
        'bad_format',
        `${files.label} is a repository of mode ${mode}; only a local folder may have another mode than archive`,
      );
    }
    return new ArchiveSource(files);
  }

  async resolveRef(name: string, options: SourceOptions = {}): Promise<Checksum> {
    if (isChecksum(name)) return name;
    const ref = parseRefName(name);
    const file = await this.#files.read(`refs/heads/${ref}`, MAX_REF_BYTES, options);
    if (file !== undefined) return parseChecksum(file.toString('latin1').trim());
    // Some servers publish their refs in the summary only.
    const bytes = await this.#files.read('summary', OBJECT_LIMITS.metadataBytes, options);
    const refs = bytes === undefined ? [] : parseSummary(bytes).refs;
    const entry = refs.find((one) => one.ref === ref);
    if (entry !== undefined) return entry.commit;
    throw new StorageError('missing', `there is no ref ${ref} in ${this.label}${listed(refs)}`);
  }

  async readMetadata(
    kind: MetadataKind,
    checksum: Checksum,
    options: SourceOptions = {},
  ): Promise<Buffer> {
    const name = { kind, checksum };
    const recent = this.#recent.take(name);
    if (recent !== undefined) return recent;
    const bytes = await this.#found(
      name,
      this.#files.read(objectPath(name), OBJECT_LIMITS.metadataBytes, options),
    );
    verifyChecksum(checksumOf(bytes), checksum, `${objectFileName(name)} in ${this.label}`);
    this.#recent.keep(name, bytes);
    return bytes;
  }

  async openFilez(checksum: Checksum, options: SourceOptions = {}): Promise<AsyncIterable<Buffer>> {
    const name = { kind: 'file', checksum } as const;
    const bytes = await this.#found(name, this.#files.open(objectPath(name), options));
    return this.#checked(name, bytes, options);
  }

  readCommitmeta(commit: Checksum, options: SourceOptions = {}): Promise<Buffer | undefined> {
    const path = `${objectPath({ kind: 'commit', checksum: commit })}meta`;
    return this.#files.read(path, OBJECT_LIMITS.metadataBytes, options);
  }

  async *#checked(
    name: ObjectName,
    bytes: AsyncIterable<Buffer>,
    options: SourceOptions,
  ): AsyncGenerator<Buffer, void> {
    try {
      yield* checkedFilez(bytes, name.checksum, options);
    } catch (error) {
      throw objectFault(error, name, this.label);
    }
  }

  async #found<T>(name: ObjectName, reading: Promise<T | undefined>): Promise<T> {
    const found = await reading;
    if (found !== undefined) return found;
    throw new StorageError('missing', `there is no ${objectFileName(name)} in ${this.label}`);
  }
}

const SHOWN_REFS = 10;

function listed(refs: readonly { readonly ref: string }[]): string {
  if (refs.length === 0) return '';
  const shown = refs.slice(0, SHOWN_REFS).map(({ ref }) => ref);
  return ` (it has ${shown.join(', ')}${refs.length > SHOWN_REFS ? ', ...' : ''})`;
}
