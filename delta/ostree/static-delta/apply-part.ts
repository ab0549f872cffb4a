import type { IoOptions } from '../../../storage/object-store.ts';
import { SliceAccess, type RandomAccess } from '../../../storage/random-access.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { CHECKSUM_BYTES, checksumFromBytes, type Checksum } from '../objects/checksum.ts';
import { isSymlink, type FileHeader } from '../objects/file-header.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';
import { bspatch } from './bspatch.ts';
import { ObjectMaker, verifyContent, verifyMetadata } from './object-maker.ts';
import type { ObjectSink } from './object-sink.ts';
import { readOperations, type Operation } from './operations.ts';
import type { PartObject } from './object-list.ts';
import type { PartPayload } from './payload.ts';
import type { ReadSources } from './read-sources.ts';
import type { Spool } from './spool.ts';
import type { DeltaPart } from './superblock.ts';

const PIECE_BYTES = 256 * 1024;

export interface ApplyPartInput extends IoOptions {
  readonly part: DeltaPart;
  readonly payload: PartPayload;
  readonly sources: ReadSources;
  readonly sink: ObjectSink;
  /** Takes the content of files while they are made. */
  readonly spool: Spool;
  /** For messages. */
  readonly what: string;
}

/**
 * Carries out a part's operations and hands each object, verified, to the sink, in the listed order.
 * Throws `bad_format` for operations that make no sense or leave the blob, a table, a source or the
 * object; `output_mismatch` for an object that is not the listed one; `wrong_base` through `sources`.
 */
export async function applyPart(input: ApplyPartInput): Promise<void> {
  const run = new PartRun(input);
  for (const { operation, object } of readOperations(
    input.payload.operations,
    input.part.objects,
    input.what,
  )) {
    checkAborted(input.signal, 'applying a delta');
    await run.carryOut(operation, object);
  }
  run.end();
}

type Splice = Extract<Operation, { kind: 'splice-file' }>;

class PartRun {
  readonly #input: ApplyPartInput;
  #open: ObjectMaker | undefined;
  /** Content of the objects so far, the open one's included. */
  #contentBytes = 0;

  constructor(input: ApplyPartInput) {
    this.#input = input;
  }

  async carryOut(operation: Operation, object: PartObject | undefined): Promise<void> {
    const { sources } = this.#input;
    switch (operation.kind) {
      case 'set-read-source':
        await sources.set(await this.#blobChecksum(operation.offset));
        return;
      case 'unset-read-source':
        await sources.unset();
        return;
      default:
    }
    if (object === undefined) throw this.#fault('makes more objects than are listed');
    switch (operation.kind) {
      case 'splice-metadata':
        return this.#spliceMetadata(object, operation.offset, operation.length);
      case 'splice-file':
        return this.#spliceFile(object, operation);
      case 'open':
        this.#openFile(operation.mode, operation.xattrs, operation.length);
        return;
      case 'write':
        return this.#write(object, operation.offset, operation.length);
      case 'bspatch':
        return this.#bspatch(object, operation.offset, operation.length);
      case 'close':
        return this.#close(object);
    }
  }

  /** After the last operation: what the objects hold is what was promised. */
  end(): void {
    const { contentBytes } = this.#input.part;
    if (this.#contentBytes === contentBytes) return;
    throw this.#fault(
      `holds ${this.#contentBytes} bytes of content where ${contentBytes} are promised`,
    );
  }

  async #spliceMetadata(object: PartObject, offset: number, length: number): Promise<void> {
    if (object.kind === 'file') throw this.#fault('makes a file as metadata');
    if (length > OBJECT_LIMITS.metadataBytes) throw this.#fault(`has ${length} bytes of metadata`);
    const bytes = await this.#slice(offset, length).read(0, length);
    this.#count(length);
    verifyMetadata(bytes, object.checksum, this.#name(object));
    await this.#input.sink.metadata(object.kind, object.checksum, bytes);
  }

  async #spliceFile(object: PartObject, splice: Splice): Promise<void> {
    const { sink, sources, signal } = this.#input;
    const slice = this.#slice(splice.offset, splice.length);
    const bare = this.#header(splice.mode, splice.xattrs);
    const isLink = isSymlink(bare);
    const header = isLink ? { ...bare, target: await this.#target(slice) } : bare;
    const content = isLink ? new SliceAccess(slice, 0, 0) : slice;
    this.#count(content.size);
    await verifyContent(header, content, object.checksum, { what: this.#name(object), signal });
    await sink.file(object.checksum, { header, content });
    if (!isLink) sources.made(object.checksum, content);
  }

  async #target(slice: RandomAccess): Promise<string> {
    if (slice.size > OBJECT_LIMITS.targetBytes) {
      throw this.#fault(`has a symlink with a target of ${slice.size} bytes`);
    }
    const bytes = await slice.read(0, slice.size);
    const target = bytes.toString('utf8');
    // What is not UTF-8, or holds a NUL, is no target that a checksum could be made of.
    if (target.includes('\0') || !Buffer.from(target).equals(bytes)) {
      throw this.#fault('has a symlink with a target that is not UTF-8');
    }
    return target;
  }

  #openFile(mode: number, xattrs: number, length: number): void {
    const header = this.#header(mode, xattrs);
    if (isSymlink(header)) throw this.#fault('opens a symlink');
    this.#count(length);
    this.#open = new ObjectMaker(header, length, this.#input.spool);
  }

  async #write(object: PartObject, offset: number, length: number): Promise<void> {
    const file = this.#opened();
    const { current } = this.#input.sources;
    const from =
      current === undefined ? this.#slice(offset, length) : within(current, offset, length);
    if (from === undefined) {
      throw this.#fault(`takes bytes ${offset}+${length} of a source of ${current?.size ?? 0}`);
    }
    for (let at = 0; at < length; at += PIECE_BYTES) {
      checkAborted(this.#input.signal, 'applying a delta');
      const piece = await from.read(at, Math.min(PIECE_BYTES, length - at));
      await file.append(piece, this.#name(object));
    }
  }

  async #bspatch(object: PartObject, offset: number, length: number): Promise<void> {
    const file = this.#opened();
    const { sources, signal } = this.#input;
    const source = sources.current;
    const what = this.#name(object);
    if (source === undefined) throw this.#fault('patches nothing: no source is set');
    if (!file.isNew) throw this.#fault('patches an object that has bytes already');
    const stream = this.#slice(offset, length);
    for await (const piece of bspatch({ stream, source, newBytes: file.missing, what, signal })) {
      await file.append(piece, what);
    }
  }

  async #close(object: PartObject): Promise<void> {
    const { sink, sources, spool } = this.#input;
    const file = this.#opened();
    this.#open = undefined;
    const { content, start } = file.end(object.checksum, this.#name(object));
    await sink.file(object.checksum, { header: file.header, content });
    if (!sources.made(object.checksum, content)) spool.rewind(start);
    await sources.unset();
  }

  #opened(): ObjectMaker {
    if (this.#open === undefined) throw this.#fault('works on no open object');
    return this.#open;
  }

  /** The header of a file by the tables; a symlink's target is not known yet. */
  #header(mode: number, xattrs: number): FileHeader {
    const { payload } = this.#input;
    const owner = payload.modes[mode];
    const set = payload.xattrs[xattrs];
    if (owner === undefined || set === undefined) {
      throw this.#fault(`names mode ${mode} or xattrs ${xattrs}, which its tables lack`);
    }
    return { ...owner, xattrs: set, target: '' };
  }

  #count(bytes: number): void {
    this.#contentBytes += bytes;
    const { contentBytes } = this.#input.part;
    if (this.#contentBytes <= contentBytes) return;
    throw this.#fault(`holds more than the ${contentBytes} bytes of content that are promised`);
  }

  #slice(offset: number, length: number): RandomAccess {
    const { blob } = this.#input.payload;
    const slice = within(blob, offset, length);
    if (slice === undefined) {
      throw this.#fault(`takes bytes ${offset}+${length} of a blob of ${blob.size}`);
    }
    return slice;
  }

  async #blobChecksum(offset: number): Promise<Checksum> {
    const bytes = await this.#slice(offset, CHECKSUM_BYTES).read(0, CHECKSUM_BYTES);
    return checksumFromBytes(bytes, 'a read source');
  }

  #name(object: PartObject): string {
    return `the ${object.kind} ${object.checksum} of ${this.#input.what}`;
  }

  #fault(problem: string): DeltaError {
    return new DeltaError('bad_format', `${this.#input.what} ${problem}`);
  }
}

/** A range of the bytes; undefined when it is not all there. */
function within(bytes: RandomAccess, offset: number, length: number): RandomAccess | undefined {
  return offset + length <= bytes.size ? new SliceAccess(bytes, offset, length) : undefined;
}
