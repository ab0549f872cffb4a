/** New bytes in the order of making. A section knows nothing of what was made before it. */
export class Output {
  readonly bytes: Uint8Array;
  /** First byte of the section. */
  readonly start: number;
  /** Where the next byte goes. */
  at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.start = start;
    this.at = start;
  }

  put(byte: number): void {
    if (this.at >= this.bytes.length) throw new RangeError('more bytes than the new file has');
    this.bytes[this.at++] = byte;
  }

  putAll(bytes: Iterable<number>): void {
    for (const byte of bytes) this.put(byte);
  }

  /** The byte `back` before the next one; 0 before the section. */
  before(back: number): number {
    return this.at - back < this.start ? 0 : (this.bytes[this.at - back] ?? 0);
  }
}
