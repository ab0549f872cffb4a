import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';

import { digestAlgorithm, DigestHasher, type Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { Coverage } from './coverage.ts';
import { readPieces } from './digest-file.ts';
import { fileSize, readSmall, renameDurable, writeAt, writeDurable } from './durable.ts';
import { heldPieces, PartSums } from './part-sums.ts';

/** A sixteenth of the blob at a time is made durable, within these bounds. */
const SYNC_SHARE = 16;
const MIN_SYNC_BYTES = 64 * 1024;
const MAX_SYNC_BYTES = 1024 * 1024;
const MAX_ETAG_BYTES = 1024;

/** What the bytes are to become. */
export interface PartOf {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * A download on its way: `<stem>.part` with bytes at their own places, `<stem>.sums` with the checksums
 * that they came with, and `<stem>.etag` with the strong ETag of the version that they belong to. What
 * a power cut took from anywhere does not have its sum any more: it is a hole, and the rest stays. The
 * ETag is durable before the first byte and changed only when the part is empty, so that bytes of two
 * versions never meet.
 */
export class PartFile {
  readonly #stem: string;
  readonly #blob: PartOf;
  readonly #file: FileHandle;
  readonly #sums: PartSums;
  /** So many bytes, and one write, a power cut may take; a kill, less than a KiB. */
  readonly #syncBytes: number;
  #held = new Coverage();
  /** Of the bytes from the start on, as far as they came in order. */
  #hasher: DigestHasher;
  #etag: string | undefined;
  #unsynced = 0;

  private constructor(stem: string, blob: PartOf, file: FileHandle, sums: PartSums) {
    this.#stem = stem;
    this.#blob = blob;
    this.#file = file;
    this.#sums = sums;
    const share = Math.ceil(blob.size / SYNC_SHARE);
    this.#syncBytes = Math.min(MAX_SYNC_BYTES, Math.max(MIN_SYNC_BYTES, share));
    this.#hasher = new DigestHasher(digestAlgorithm(blob.digest));
  }

  /** Opens what an earlier run left, if anything. */
  static async open(stem: string, blob: PartOf): Promise<PartFile> {
    const file = await open(`${stem}.part`, constants.O_RDWR | constants.O_CREAT);
    let sums: PartSums | undefined;
    try {
      const { size } = await file.stat();
      sums = await openSums(`${stem}.sums`, size > 0 ? file : undefined);
      const part = new PartFile(stem, blob, file, sums);
      if (size > 0) await part.#takeUp(size);
      return part;
    } catch (error) {
      await sums?.close();
      await file.close();
      throw error;
    }
  }

  /** Bytes that are here. */
  get size(): number {
    return this.#held.bytes;
  }

  /** The first bytes that are not here; undefined when all are. */
  get hole(): ByteRange | undefined {
    return this.#held.hole({ start: 0, endExclusive: this.#blob.size });
  }

  /** The version of the bytes so far; undefined when there is none to go on with. */
  get etag(): string | undefined {
    return this.size === 0 ? undefined : this.#etag;
  }

  /** Drops the bytes and begins anew with another version. */
  async restart(etag: string | undefined): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.sync();
    await this.#sums.clear();
    this.#held = new Coverage();
    this.#hasher = new DigestHasher(digestAlgorithm(this.#blob.digest));
    this.#etag = etag;
    this.#unsynced = 0;
    await writeDurable(`${this.#stem}.etag`, etag ?? '');
  }

  /** Writes bytes of a hole to their place. */
  async write(bytes: Buffer, at: number): Promise<void> {
    await this.#sums.add(at, bytes);
    await writeAt(this.#file, bytes, at);
    this.#take(at, bytes);
    this.#unsynced += bytes.length;
    if (this.#unsynced >= this.#syncBytes) await this.sync();
  }

  /** Makes bytes and sums durable, at once: a journal takes both with one commit. */
  async sync(): Promise<void> {
    await Promise.all([this.#sums.sync(), this.#file.sync()]);
    this.#unsynced = 0;
  }

  /** True if the bytes are the blob; then they are at the stem itself, durable. */
  async finish(): Promise<boolean> {
    await this.sync();
    for await (const bytes of readPieces(this.#file, this.#hasher.size)) this.#hasher.update(bytes);
    if (this.#hasher.peek() !== this.#blob.digest) return false;
    await renameDurable(`${this.#stem}.part`, this.#stem);
    for (const beside of ['etag', 'sums']) await rm(`${this.#stem}.${beside}`, { force: true });
    return true;
  }

  async close(): Promise<void> {
    await this.#sums.close();
    await this.#file.close();
  }

  /** Takes up what lies right of a part of `size` bytes. */
  async #takeUp(size: number): Promise<void> {
    const etag = (await readSmall(`${this.#stem}.etag`, MAX_ETAG_BYTES))?.toString('utf8');
    if (etag === undefined || etag === '' || size > this.#blob.size) {
      await this.restart(undefined);
      return;
    }
    this.#etag = etag;
    await heldPieces(`${this.#stem}.part`, `${this.#stem}.sums`, (start, bytes) => {
      this.#take(start, bytes);
    });
    // A killed run may have left bytes that no power cut may take any more.
    await this.sync();
  }

  #take(start: number, bytes: Buffer): void {
    this.#held.add({ start, endExclusive: start + bytes.length });
    if (start === this.#hasher.size) this.#hasher.update(bytes);
  }
}

/** Bytes that lie right of a blob on its way: what {@link PartFile.open} will take up. */
export async function partBytes(stem: string, blob: Pick<PartOf, 'size'>): Promise<number> {
  if ((await fileSize(`${stem}.sums`)) === undefined) {
    return Math.min(blob.size, (await fileSize(`${stem}.part`)) ?? 0);
  }
  const held = new Coverage();
  await heldPieces(`${stem}.part`, `${stem}.sums`, (start, { length }) => {
    held.add({ start, endExclusive: start + length });
  });
  return held.overlap({ start: 0, endExclusive: blob.size });
}

/** The sums of a part. One that an older agent left has none: it is trusted until its digest tells. */
async function openSums(path: string, part: FileHandle | undefined): Promise<PartSums> {
  const isOlder = part !== undefined && (await fileSize(path)) === undefined;
  return isOlder ? PartSums.make(path, part) : PartSums.open(path);
}
