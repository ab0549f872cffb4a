import { Crc64 } from './crc64.ts';

const SEGMENT = 2;
const FILE = 1;

/**
 * Writes tar-split's record of a tar (vbatts/tar-split, JSON lines): the bytes that are no content, and for
 * each entry a checksum of what is. With the contents it makes the tar again, byte for byte.
 */
export class TarSplitWriter {
  readonly #lines: string[] = [];
  #bytes = 0;
  #position = 0;

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
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

  finish(): Buffer {
    return Buffer.from(this.#lines.join(''));
  }

  #add(entry: Readonly<Record<string, unknown>>): void {
    const line = `${JSON.stringify({ ...entry, position: this.#position })}\n`;
    this.#position += 1;
    this.#bytes += line.length;
    this.#lines.push(line);
  }
}
