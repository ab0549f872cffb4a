import { DigestHasher, type Digest } from '../../../storage/digest.ts';
import type { WalkedEntry } from '../../../storage/tar/tar-walk.ts';
import { Crc64 } from './crc64.ts';
import { TarSplitWriter } from './tar-split.ts';
import { TextFrames } from './text-frames.ts';
import { refused, tocEntryOf, type TocEntry } from './toc-entry.ts';

/** A frame with bytes of a file's content, in the layer blob. */
export interface ContentFrame {
  readonly offset: number;
  readonly endOffset: number;
  /** Of the bytes in it. */
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** Readers refuse more of either, uncompressed. */
const MAX_TABLE_BYTES = 50 * 1024 * 1024;
/** No file's headers take so much, nor what follows the last file. */
const MAX_GAP_BYTES = 16 * 1024 * 1024;

/** How the table begins. */
const TABLE_START = '{"version":1,"entries":[';

interface OpenFile {
  readonly entry: TocEntry;
  readonly hasher: DigestHasher;
  readonly crc: Crc64;
  readonly frames: (Omit<ContentFrame, 'bytes'> & { readonly bytes: number })[];
}

/**
 * The table of contents and the tar-split record of a layer, from its entries and bytes in order. Throws
 * `refused` (see {@link tocEntryOf}), also for two entries of one name and for tables that readers refuse.
 */
export class FileTable {
  readonly #entries = new TextFrames();
  #separator = TABLE_START;
  readonly #names = new Set<string>();
  readonly #splitLines = new TextFrames();
  readonly #split = new TarSplitWriter(this.#splitLines);
  #gap: Buffer[] = [];
  #gapBytes = 0;
  #file: OpenFile | undefined;

  /** Bytes between contents. */
  addGap(bytes: Buffer): void {
    // A copy: the buffer is a whole chunk's.
    this.#gap.push(Buffer.from(bytes));
    this.#gapBytes += bytes.length;
    if (this.#gapBytes > MAX_GAP_BYTES) {
      throw refused('', `more than ${MAX_GAP_BYTES} bytes without a file`);
    }
  }

  /** The entry whose headers the gap ends with; its content's frames follow. */
  open(walked: WalkedEntry): void {
    const entry = tocEntryOf(walked);
    if (this.#names.has(entry.name)) throw refused(entry.name, 'there are two of that name');
    this.#names.add(entry.name);
    this.#split.segment(this.#takeGap());
    if (entry.size === undefined) {
      this.#split.file(entry.name, 0, undefined);
      this.#push(entry);
    } else {
      this.#file = { entry, hasher: new DigestHasher(), crc: new Crc64(), frames: [] };
    }
  }

  addContent({ bytes, ...frame }: ContentFrame): void {
    this.#file?.hasher.update(bytes);
    this.#file?.crc.update(bytes);
    this.#file?.frames.push({ ...frame, bytes: bytes.length });
  }

  /** The open file's content is through. */
  close(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { entry, hasher, crc, frames } = file;
    this.#split.file(entry.name, hasher.size, crc);
    const [first] = frames;
    this.#push({
      ...entry,
      digest: hasher.digest(),
      offset: first?.offset,
      endOffset: frames.at(-1)?.endOffset,
      ...(frames.length > 1 && { chunkSize: first?.bytes, chunkDigest: first?.digest }),
    });
    let chunkOffset = first?.bytes ?? 0;
    for (const { offset, endOffset, digest, bytes } of frames.slice(1)) {
      const { name } = entry;
      const part = { offset, endOffset, chunkSize: bytes, chunkOffset, chunkDigest: digest };
      this.#push({ type: 'chunk', name, ...part });
      chunkOffset += bytes;
    }
  }

  /** Compresses what came; to be called now and then, so that little is held. */
  async settle(): Promise<void> {
    await this.#entries.settle();
    await this.#splitLines.settle();
  }

  /**
   * What follows the last entry: the rest of its last block (`padding` bytes), zeros, anything. The JSON of
   * the table lacks its end (see `closingFrames`).
   */
  finish(padding: number): { readonly entries: TextFrames; readonly tarSplit: TextFrames } {
    const end = this.#takeGap();
    const isEnd = end.subarray(padding, padding + 1024).every((byte) => byte === 0);
    if (!isEnd || this.#file !== undefined) throw refused('', 'the tar does not end as one');
    if (end.length > 0) this.#split.segment(end);
    if (this.#separator === TABLE_START) this.#entries.add(TABLE_START);
    return { entries: this.#entries, tarSplit: this.#splitLines };
  }

  #push(entry: TocEntry): void {
    const text = JSON.stringify(entry);
    this.#entries.add(`${this.#separator}${text}`);
    this.#separator = ',';
    if (Math.max(this.#entries.bytes, this.#splitLines.bytes) > MAX_TABLE_BYTES) {
      throw refused('', `its tables take more than ${MAX_TABLE_BYTES} bytes`);
    }
  }

  #takeGap(): Buffer {
    const gap = Buffer.concat(this.#gap, this.#gapBytes);
    this.#gap = [];
    this.#gapBytes = 0;
    return gap;
  }
}
