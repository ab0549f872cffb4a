import type { RandomAccess } from '../../../storage/random-access.ts';
import { DeltaError } from '../../errors.ts';
import { CHECKSUM_BYTES, checksumFromBytes, type Checksum } from '../objects/checksum.ts';
import { isSymlink } from '../objects/file-header.ts';
import type { PartObject } from './object-list.ts';
import type { OpenedFile } from './object-sink.ts';
import { readOperations } from './operations.ts';
import type { PartPayload } from './payload.ts';

/** Gives a content object of the base; rejects with `wrong_base` or `missing` when it has none such. */
export type OpenBase = (checksum: Checksum) => Promise<OpenedFile>;

/** What the operations of one part read from: files of the base, and files made earlier in it. */
export class ReadSources {
  readonly #openBase: OpenBase;
  readonly #wanted: ReadonlySet<Checksum>;
  readonly #made = new Map<Checksum, RandomAccess>();
  #current: RandomAccess | undefined;
  #opened: OpenedFile | undefined;

  /** `wanted`: see {@link wantedSources}. */
  constructor(openBase: OpenBase, wanted: ReadonlySet<Checksum>) {
    this.#openBase = openBase;
    this.#wanted = wanted;
  }

  /** The read source; undefined while none is set. */
  get current(): RandomAccess | undefined {
    return this.#current;
  }

  /** Sets the read source. A file of the part itself goes before one of the base: they are the same. */
  async set(checksum: Checksum): Promise<void> {
    await this.unset();
    const made = this.#made.get(checksum);
    if (made !== undefined) {
      this.#current = made;
      return;
    }
    this.#opened = await this.#openBase(checksum);
    if (isSymlink(this.#opened.header)) {
      throw new DeltaError('bad_format', `the read source ${checksum} is a symlink`);
    }
    this.#current = this.#opened.content;
  }

  async unset(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#current = undefined;
    await opened?.close?.();
  }

  /** Tells of a file that the part made; true when it has to be kept, since it is read from later. */
  made(checksum: Checksum, content: RandomAccess): boolean {
    if (!this.#wanted.has(checksum)) return false;
    this.#made.set(checksum, content);
    return true;
  }
}

/** Every checksum that the operations of a part set as read source. Throws as `readOperations`. */
export async function wantedSources(
  payload: PartPayload,
  objects: readonly PartObject[],
  what: string,
): Promise<ReadonlySet<Checksum>> {
  const wanted = new Set<Checksum>();
  for (const { operation } of readOperations(payload.operations, objects, what)) {
    if (operation.kind !== 'set-read-source') continue;
    if (operation.offset + CHECKSUM_BYTES > payload.blob.size) {
      throw new DeltaError('bad_format', `${what} names a source beyond its blob`);
    }
    const bytes = await payload.blob.read(operation.offset, CHECKSUM_BYTES);
    wanted.add(checksumFromBytes(bytes, 'a read source'));
  }
  return wanted;
}
