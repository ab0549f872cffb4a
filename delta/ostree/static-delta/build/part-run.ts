import { DeltaError } from '../../../errors.ts';
import { isSymlink } from '../../objects/file-header.ts';
import type { OpenedFile } from '../object-sink.ts';
import { Spool } from '../spool.ts';
import type { DeltaFallback, DeltaPart } from '../superblock.ts';
import type { ContentKeys } from './content-keys.ts';
import type { DeltaObject, FileObject, ObjectSource, TreeObject } from './delta-objects.ts';
import { blobBytesOf, orFallback } from './fallback.ts';
import type { CodedFile, FileCoder } from './file-coder.ts';
import { canBeSource } from './old-files.ts';
import { packPart, type PackOptions } from './pack-part.ts';
import { PartBuilder } from './part-builder.ts';
import { PartFiles } from './part-files.ts';
import type { ObjectStatistics } from './statistics.ts';

export interface PartRunOptions {
  readonly source: ObjectSource;
  readonly coder: FileCoder;
  readonly keys: ContentKeys;
  /** Payload that ends a part. */
  readonly partBytes: number;
  /** About how many compressed bytes end a part. */
  readonly wireBytes: number;
  readonly pack: PackOptions;
}

/** How a file is coded whose bytes the part holds as another one's. */
const SAME_BYTES: CodedFile = { coding: { kind: 'whole' }, reason: 'same-part', cost: 0 };

/** A part that takes objects. */
interface OpenPart {
  readonly builder: PartBuilder;
  readonly files: PartFiles;
  readonly spool: Spool;
  /** About how many bytes it takes when compressed. */
  cost: number;
}

/** Fills part after part; one is compressed while the next is filled. Close it. */
export class PartRun {
  readonly parts: DeltaPart[] = [];
  readonly fallbacks: DeltaFallback[] = [];
  readonly objects: ObjectStatistics[] = [];
  readonly #options: PartRunOptions;
  #open: OpenPart;
  #packing: Promise<void> = Promise.resolve();
  /** Number of the open part. */
  #number = 0;

  constructor(options: PartRunOptions) {
    this.#options = options;
    this.#open = this.#newPart();
  }

  async addMetadata(object: TreeObject): Promise<void> {
    const { kind, checksum } = object;
    const bytes = await this.#options.source.readMetadata(object);
    await this.#makeRoom(bytes.length, bytes.length);
    await this.#open.builder.addMetadata({ kind, checksum }, bytes);
    this.#note(object, { coding: 'metadata', contentBytes: bytes.length }, bytes.length);
  }

  async addFile(file: FileObject): Promise<void> {
    const opened = await this.#options.source.openContent(file);
    try {
      if (isSymlink(opened.header)) await this.#addSymlink(file, opened);
      else await this.#addRegular(file, opened);
    } finally {
      await opened.close?.();
    }
  }

  /** Packs the last part; then `parts` and `fallbacks` are all there. */
  async end(): Promise<void> {
    if (this.#open.builder.objects.length > 0) await this.#flush();
    await this.#packing;
  }

  async close(): Promise<void> {
    await this.#packing.catch(() => undefined);
    await this.#open.spool.close();
  }

  async #addSymlink(file: FileObject, { header }: OpenedFile): Promise<void> {
    const bytes = Buffer.byteLength(header.target);
    await this.#makeRoom(bytes, bytes);
    await this.#open.builder.addSymlink(file.checksum, header);
    this.#note(file, { coding: 'symlink', contentBytes: 0 }, bytes);
  }

  async #addRegular(file: FileObject, opened: OpenedFile): Promise<void> {
    const { coder, keys, pack } = this.#options;
    const { checksum, size } = file;
    const { header, content } = opened;
    if (content.size !== size) {
      throw new DeltaError('corrupt', `${checksum} has ${content.size} bytes, ${size} were said`);
    }
    const contentKey = await keys.keyOf(file, content);
    const isThere = contentKey !== undefined && this.#open.builder.holds(contentKey);
    const coded = isThere ? SAME_BYTES : await coder.code(file, content, this.#open.files);
    const { coding, reason } = await orFallback(coded, opened, pack);
    const payloadBytes = isThere ? 0 : blobBytesOf(coding, size);
    if (coding.kind === 'fallback') {
      const { compressedBytes } = coding;
      this.fallbacks.push({ kind: 'file', checksum, compressedBytes, contentBytes: size });
    } else {
      // What is in this part can't be left behind.
      if (reason === 'same-part') this.#open.cost += coded.cost;
      else await this.#makeRoom(payloadBytes, coded.cost);
      await this.#open.builder.addFile({ checksum, header, content, contentKey }, coding);
      this.#offerAsSource(file, opened, coded);
    }
    this.#note(file, { coding: coding.kind, reason, contentBytes: size }, payloadBytes);
  }

  #offerAsSource(file: FileObject, { header }: OpenedFile, { samples }: CodedFile): void {
    if (samples !== undefined && canBeSource(header)) this.#open.files.add(file, samples);
  }

  /** Ends the open part when so many more bytes of payload, compressed to `cost`, would be too many. */
  async #makeRoom(bytes: number, cost: number): Promise<void> {
    const { builder } = this.#open;
    const { partBytes, wireBytes } = this.#options;
    const isFull = builder.size + bytes > partBytes || this.#open.cost + cost > wireBytes;
    if (isFull && builder.objects.length > 0) await this.#flush();
    this.#open.cost += cost;
  }

  async #flush(): Promise<void> {
    await this.#packing;
    const { builder, spool } = this.#open;
    const number = this.#number;
    this.#packing = packPart(builder, number, this.#options.pack)
      .then((part) => {
        this.parts.push(part);
      })
      .finally(() => spool.close());
    // It is awaited before the next one and at the end; until then its failure has no listener.
    this.#packing.catch(() => undefined);
    this.#number += 1;
    this.#open = this.#newPart();
  }

  #newPart(): OpenPart {
    const { source, pack } = this.#options;
    const spool = new Spool(pack.folder);
    return { builder: new PartBuilder(spool, pack), files: new PartFiles(source), spool, cost: 0 };
  }

  #note(
    { kind, checksum, paths }: DeltaObject,
    how: Pick<ObjectStatistics, 'coding' | 'reason' | 'contentBytes'>,
    payloadBytes: number,
  ): void {
    const part = how.coding === 'fallback' ? undefined : this.#number;
    this.objects.push({ kind, checksum, path: paths[0], ...how, payloadBytes, part });
  }
}
