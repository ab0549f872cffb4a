import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted, DeltaError } from '../../../errors.ts';
import { ByteWriter } from '../../../format/bytes.ts';
import { checksumBytes, type Checksum } from '../../objects/checksum.ts';
import { isSymlink, type FileHeader } from '../../objects/file-header.ts';
import { maxPayloadBytes } from '../limits.ts';
import type { PartObject } from '../object-list.ts';
import type { FileContent } from '../object-sink.ts';
import { writeOperation, type Operation } from '../operations.ts';
import { formatPayload } from '../payload.ts';
import type { Spool } from '../spool.ts';
import type { Range } from './cost.ts';
import type { FileCoding, FilePiece } from './file-coding.ts';
import { PartTables } from './part-tables.ts';

const PIECE_BYTES = 256 * 1024;

/** A file to be added; `contentKey` is the same for all files with the same content. */
export interface PartFile extends FileContent {
  readonly checksum: Checksum;
  readonly contentKey?: string | undefined;
}

/** A payload as a stream. */
export interface BuiltPayload {
  /** Bytes. */
  readonly size: number;
  /** The most bytes that client 2026.3 unpacks for these objects. */
  readonly limit: number;
  pieces(): AsyncGenerator<Uint8Array>;
}

/** One part on its way: tables, blob and operations, object after object. */
export class PartBuilder {
  readonly #spool: Spool;
  readonly #signal: AbortSignal | undefined;
  readonly #tables = new PartTables();
  readonly #operations = new ByteWriter();
  readonly #objects: PartObject[] = [];
  /** Where checksums of sources and whole contents stand in the blob. */
  readonly #sources = new Map<Checksum, number>();
  readonly #contents = new Map<string, number>();
  #contentBytes = 0;
  #patchBytes = 0;
  /** The read source while an object is open. */
  #current: Checksum | undefined;

  /** The spool takes the blob; it is the part's own. */
  constructor(spool: Spool, { signal }: IoOptions) {
    this.#spool = spool;
    this.#signal = signal;
  }

  get objects(): readonly PartObject[] {
    return this.#objects;
  }

  /** Content of regular files and bytes of metadata so far. */
  get contentBytes(): number {
    return this.#contentBytes;
  }

  /** Bytes of bsdiff streams so far. */
  get patchBytes(): number {
    return this.#patchBytes;
  }

  /** Bytes of the blob and the operations so far. */
  get size(): number {
    return this.#spool.size + this.#operations.length;
  }

  /** True if the whole content of that key stands in the blob already. */
  holds(contentKey: string): boolean {
    return this.#contents.has(contentKey);
  }

  /** A dirtree or a dirmeta. */
  async addMetadata(object: PartObject, bytes: Uint8Array): Promise<void> {
    const offset = this.#spool.size;
    await this.#spool.append(bytes);
    this.#write({ kind: 'splice-metadata', length: bytes.length, offset });
    this.#made(object, bytes.length);
  }

  async addSymlink(checksum: Checksum, header: FileHeader): Promise<void> {
    const target = Buffer.from(header.target);
    const offset = this.#spool.size;
    await this.#spool.append(target);
    this.#splice(header, { offset, length: target.length });
    this.#made({ kind: 'file', checksum }, 0);
  }

  /** A regular file. */
  async addFile(file: PartFile, coding: Exclude<FileCoding, { kind: 'fallback' }>): Promise<void> {
    const { header, content } = file;
    if (isSymlink(header)) throw new DeltaError('bad_format', `${file.checksum} is a symlink`);
    switch (coding.kind) {
      case 'whole':
        this.#splice(header, { offset: await this.#whole(file), length: content.size });
        break;
      case 'pieces':
        this.#open(file);
        for (const piece of coding.pieces) await this.#piece(piece, content);
        this.#write({ kind: 'close' });
        break;
      case 'patch': {
        this.#write({ kind: 'set-read-source', offset: await this.#sourceOffset(coding.source) });
        this.#open(file);
        const { size } = coding.stream;
        const offset = await this.#append(coding.stream, { offset: 0, length: size });
        this.#patchBytes += size;
        this.#write({ kind: 'bspatch', offset, length: size });
        this.#write({ kind: 'close' });
      }
    }
    this.#current = undefined;
    this.#made({ kind: 'file', checksum: file.checksum }, content.size);
  }

  /** What the part is packed from. */
  payload(): BuiltPayload {
    const blobBytes = this.#spool.size;
    const { modes, xattrs } = this.#tables;
    const operations = this.#operations.view();
    const { head, tail } = formatPayload({ modes, xattrs, blobBytes, operations });
    const blob = this.#spool.slice(0, blobBytes);
    return {
      size: head.length + blobBytes + tail.length,
      limit: maxPayloadBytes(this.#contentBytes, this.#objects.length),
      pieces: async function* () {
        yield head;
        for (let at = 0; at < blobBytes; at += PIECE_BYTES) {
          yield blob.read(at, Math.min(PIECE_BYTES, blobBytes - at));
        }
        yield tail;
      },
    };
  }

  #open({ header, content }: PartFile): void {
    const mode = this.#tables.modeOf(header);
    const xattrs = this.#tables.xattrsOf(header);
    this.#write({ kind: 'open', mode, xattrs, length: content.size });
  }

  #splice(header: FileHeader, { offset, length }: Range): void {
    const mode = this.#tables.modeOf(header);
    const xattrs = this.#tables.xattrsOf(header);
    this.#write({ kind: 'splice-file', mode, xattrs, length, offset });
  }

  async #piece(piece: FilePiece, content: RandomAccess): Promise<void> {
    const { length } = piece;
    if (piece.kind === 'literal') {
      if (this.#current !== undefined) this.#write({ kind: 'unset-read-source' });
      this.#current = undefined;
      this.#write({ kind: 'write', length, offset: await this.#append(content, piece) });
      return;
    }
    if (this.#current !== piece.source) {
      this.#write({ kind: 'set-read-source', offset: await this.#sourceOffset(piece.source) });
      this.#current = piece.source;
    }
    this.#write({ kind: 'write', length, offset: piece.offset });
  }

  /** The place of a file's whole content; the same content stands there once. */
  async #whole({ content, contentKey }: PartFile): Promise<number> {
    const known = contentKey === undefined ? undefined : this.#contents.get(contentKey);
    if (known !== undefined) return known;
    const offset = await this.#append(content, { offset: 0, length: content.size });
    if (contentKey !== undefined) this.#contents.set(contentKey, offset);
    return offset;
  }

  async #sourceOffset(checksum: Checksum): Promise<number> {
    const known = this.#sources.get(checksum);
    if (known !== undefined) return known;
    const offset = this.#spool.size;
    await this.#spool.append(checksumBytes(checksum));
    this.#sources.set(checksum, offset);
    return offset;
  }

  async #append(content: RandomAccess, { offset, length }: Range): Promise<number> {
    const start = this.#spool.size;
    for (let at = 0; at < length; at += PIECE_BYTES) {
      checkAborted(this.#signal, 'writing a delta');
      const bytes = Math.min(PIECE_BYTES, length - at);
      await this.#spool.append(await content.read(offset + at, bytes));
    }
    return start;
  }

  #write(operation: Operation): void {
    writeOperation(this.#operations, operation);
  }

  #made(object: PartObject, contentBytes: number): void {
    this.#objects.push(object);
    this.#contentBytes += contentBytes;
  }
}
