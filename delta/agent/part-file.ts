import { rm } from 'node:fs/promises';

import { digestAlgorithm, DigestHasher, type Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { CheckedFile } from './checked-file.ts';
import { Coverage } from './coverage.ts';
import { fileSize, readSmall, renameDurable, writeDurable } from './durable.ts';
import { heldPieces } from './part-sums.ts';

const MAX_ETAG_BYTES = 1024;

/** What the bytes are to become. */
export interface PartOf {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * A download on its way: `<stem>.part` and `<stem>.sums` ({@link CheckedFile}), and `<stem>.etag` with
 * the strong ETag of the version that the bytes belong to. The ETag is durable before the first byte and
 * changed only when the part is empty, so that bytes of two versions never meet.
 */
export class PartFile {
  readonly #stem: string;
  readonly #blob: PartOf;
  readonly #bytes: CheckedFile;
  /** Of the bytes from the start on, as far as they came in order. */
  #hasher: DigestHasher;
  #etag: string | undefined;

  private constructor(stem: string, blob: PartOf, bytes: CheckedFile, hasher: DigestHasher) {
    this.#stem = stem;
    this.#blob = blob;
    this.#bytes = bytes;
    this.#hasher = hasher;
  }

  /** Opens what an earlier run left, if anything. */
  static async open(stem: string, blob: PartOf): Promise<PartFile> {
    const hasher = new DigestHasher(digestAlgorithm(blob.digest));
    const bytes = await CheckedFile.open({
      path: `${stem}.part`,
      sumsPath: `${stem}.sums`,
      expectedBytes: blob.size,
      trustsUnsummed: true,
      onHeld: (start, piece) => {
        if (start === hasher.size) hasher.update(piece);
      },
    });
    try {
      const part = new PartFile(stem, blob, bytes, hasher);
      await part.#takeUp();
      return part;
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  /** Bytes that are here. */
  get size(): number {
    return this.#bytes.heldBytes;
  }

  /** The first bytes that are not here; undefined when all are. */
  get hole(): ByteRange | undefined {
    return this.#bytes.hole({ start: 0, endExclusive: this.#blob.size });
  }

  /** The version of the bytes so far; undefined when there is none to go on with. */
  get etag(): string | undefined {
    return this.size === 0 ? undefined : this.#etag;
  }

  /** Drops the bytes and begins anew with another version. */
  async restart(etag: string | undefined): Promise<void> {
    await this.#bytes.clear();
    this.#hasher = new DigestHasher(digestAlgorithm(this.#blob.digest));
    this.#etag = etag;
    await writeDurable(`${this.#stem}.etag`, etag ?? '');
  }

  /** Writes those of the bytes from `at` on that are not here yet. */
  async write(bytes: Buffer, at: number): Promise<void> {
    const range = { start: at, endExclusive: at + bytes.length };
    for (let hole = this.#bytes.hole(range); hole !== undefined; hole = this.#bytes.hole(range)) {
      const missing = bytes.subarray(hole.start - at, hole.endExclusive - at);
      await this.#bytes.write(missing, hole.start);
      if (hole.start === this.#hasher.size) this.#hasher.update(missing);
    }
  }

  async sync(): Promise<void> {
    await this.#bytes.sync();
  }

  /** True if the bytes are the blob; then they are at the stem itself, durable. */
  async finish(): Promise<boolean> {
    await this.sync();
    for await (const piece of this.#bytes.readFrom(this.#hasher.size)) this.#hasher.update(piece);
    if (this.#hasher.peek() !== this.#blob.digest) return false;
    await renameDurable(`${this.#stem}.part`, this.#stem);
    for (const beside of ['etag', 'sums']) await rm(`${this.#stem}.${beside}`, { force: true });
    return true;
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  /** Takes up what lies right, unless it can't be told what it belongs to. */
  async #takeUp(): Promise<void> {
    const size = (await fileSize(`${this.#stem}.part`)) ?? 0;
    if (size === 0) return;
    const etag = (await readSmall(`${this.#stem}.etag`, MAX_ETAG_BYTES))?.toString('utf8');
    if (etag === undefined || etag === '' || size > this.#blob.size) await this.restart(undefined);
    else this.#etag = etag;
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
