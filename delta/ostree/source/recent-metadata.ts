import { objectFileName, type ObjectName } from '../objects/object-name.ts';

const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Metadata objects that were read to find what a commit needs, kept until they are read again to be
 * sent: over HTTP that saves every second request. Past its bound the oldest go.
 */
export class RecentMetadata {
  readonly #objects = new Map<string, Buffer>();
  #bytes = 0;

  keep(name: ObjectName, bytes: Buffer): void {
    this.take(name);
    this.#objects.set(objectFileName(name), bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#objects) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#objects.delete(oldest);
      this.#bytes -= length;
    }
  }

  /** The object's bytes, which are no longer kept then. */
  take(name: ObjectName): Buffer | undefined {
    const key = objectFileName(name);
    const bytes = this.#objects.get(key);
    if (bytes === undefined) return undefined;
    this.#objects.delete(key);
    this.#bytes -= bytes.length;
    return bytes;
  }
}
