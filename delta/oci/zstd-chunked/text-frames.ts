import { compressFrame } from '../../../storage/zstd.ts';

/** Text of so many bytes becomes a frame: what is held of it does not grow with the layer. */
const FRAME_BYTES = 1024 * 1024;
/** Higher levels take 20 to 60 MB more while they work, and make tables of hex digits hardly smaller. */
const TEXT_LEVEL = 6;

/** Text that grows at its end, held as zstd frames that follow each other (RFC 8878, 3). */
export class TextFrames {
  readonly #frames: Buffer[] = [];
  #text: string[] = [];
  #textBytes = 0;
  #bytes = 0;

  /** Of the text so far, in UTF-8. */
  get bytes(): number {
    return this.#bytes;
  }

  add(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#text.push(text);
    this.#textBytes += bytes;
    this.#bytes += bytes;
  }

  /** Compresses what was added, once it is enough for a frame. */
  async settle(): Promise<void> {
    if (this.#textBytes >= FRAME_BYTES) await this.#compress();
  }

  /** The frames of all that was added. */
  async finish(): Promise<Buffer> {
    if (this.#textBytes > 0 || this.#frames.length === 0) await this.#compress();
    return Buffer.concat(this.#frames);
  }

  async #compress(): Promise<void> {
    const raw = Buffer.from(this.#text.join(''));
    this.#text = [];
    this.#textBytes = 0;
    this.#frames.push(await compressFrame(raw, TEXT_LEVEL));
  }
}
