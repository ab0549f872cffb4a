import { Crc64 } from './crc64.ts';
import type { TextFrames } from './text-frames.ts';

const SEGMENT = 2;
const FILE = 1;

/**
 * Writes tar-split's record of a tar (vbatts/tar-split, JSON lines): the bytes that are no content, and for
 * each entry a checksum of what is. With the contents it makes the tar again, byte for byte.
 */
export class TarSplitWriter {
  readonly #lines: TextFrames;
  #position = 0;

  constructor(lines: TextFrames) {
    this.#lines = lines;
  }

  /** Padding and headers up to a content, or the tar's end. */
  segment(bytes: Buffer): void {
    this.#add({ type: SEGMENT, payload: bytes.toString('base64') });
  }

  /** An entry, behind the segment with its headers; `crc` is undefined for one without content. */
  file(name: string, size: number, crc: Crc64 | undefined): void {
    this.#add({
      type: FILE,
      name,
      ...(size > 0 && { size }),
      payload: crc === undefined ? null : crc.digest().toString('base64'),
    });
  }

  #add(entry: Readonly<Record<string, unknown>>): void {
    this.#lines.add(`${JSON.stringify({ ...entry, position: this.#position })}\n`);
    this.#position += 1;
  }
}
