import { Readable } from 'node:stream';

import { checkedBytes } from '../byte-source.ts';
import type { Clock } from '../clock.ts';
import { checkAborted } from '../durable.ts';
import { StorageError } from '../errors.ts';
import { parseObjectKey, type ObjectKey } from '../keys.ts';
import type {
  ByteSource,
  IoOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  OpenOptions,
  PutOptions,
} from '../object-store.ts';
import { checkObjectRange } from './range.ts';

/** Objects in memory, for tests and for trying things out: gone with the process, bounded by nothing. */
export function createMemoryStore(clock: Clock = Date.now): ObjectStore {
  return new MemoryStore(clock);
}

const SLICE_BYTES = 64 * 1024;

interface MemoryObject {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

class MemoryStore implements ObjectStore {
  readonly name = 'memory';
  readonly #objects = new Map<ObjectKey, MemoryObject>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async put(
    key: ObjectKey,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<{ readonly size: number; readonly created: boolean }> {
    const { signal, expected } = options;
    parseObjectKey(key);
    checkAborted(signal, `put ${key}`);
    if (this.#objects.has(key)) return this.#keep(key);
    const parts: Buffer[] = [];
    for await (const bytes of checkedBytes(source, { expected, what: `put ${key}`, signal })) {
      parts.push(Buffer.from(bytes));
    }
    // Another put of the key may have come first while this one waited for its source.
    if (this.#objects.has(key)) return this.#keep(key);
    const bytes = Buffer.concat(parts);
    this.#objects.set(key, { bytes, modifiedMs: this.#clock() });
    return { size: bytes.length, created: true };
  }

  async open(key: ObjectKey, options: OpenOptions = {}): Promise<Readable> {
    checkAborted(options.signal, `open ${key}`);
    const object = this.#objects.get(parseObjectKey(key));
    if (object === undefined) throw missing(key);
    const { range } = options;
    if (range !== undefined) checkObjectRange(range, object.bytes.length, key);
    const bytes = Buffer.from(object.bytes.subarray(range?.start ?? 0, range?.endExclusive));
    return Promise.resolve(
      Readable.from(slices(bytes, key, options.signal), { objectMode: false }),
    );
  }

  async stat(key: ObjectKey, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    checkAborted(options.signal, `stat ${key}`);
    const object = this.#objects.get(parseObjectKey(key));
    return Promise.resolve(object && { size: object.bytes.length, modifiedMs: object.modifiedMs });
  }

  async *list(prefix: string, options: IoOptions = {}): AsyncGenerator<ObjectEntry> {
    for (const [key, { bytes, modifiedMs }] of [...this.#objects]) {
      checkAborted(options.signal, `list ${prefix}`);
      if (key.startsWith(prefix))
        yield await Promise.resolve({ key, size: bytes.length, modifiedMs });
    }
  }

  async delete(key: ObjectKey, options: IoOptions = {}): Promise<void> {
    checkAborted(options.signal, `delete ${key}`);
    this.#objects.delete(parseObjectKey(key));
    return Promise.resolve();
  }

  async move(from: ObjectKey, to: ObjectKey, options: IoOptions = {}): Promise<void> {
    checkAborted(options.signal, `move ${from}`);
    const object = this.#objects.get(parseObjectKey(from));
    if (object === undefined && !this.#objects.has(parseObjectKey(to))) throw missing(from);
    if (this.#objects.has(to)) this.#keep(to);
    else if (object !== undefined) this.#objects.set(to, { ...object, modifiedMs: this.#clock() });
    this.#objects.delete(from);
    return Promise.resolve();
  }

  /** Whoever stores an object again is about to name it: its age starts anew, so that GC waits. */
  #keep(key: ObjectKey): { readonly size: number; readonly created: boolean } {
    const bytes = this.#objects.get(key)?.bytes ?? Buffer.alloc(0);
    this.#objects.set(key, { bytes, modifiedMs: this.#clock() });
    return { size: bytes.length, created: false };
  }
}

/** Pieces of the size that other drivers give, so that readers see the same shape. */
function* slices(
  bytes: Buffer,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    checkAborted(signal, `read ${key}`);
    yield bytes.subarray(at, at + SLICE_BYTES);
  }
}

function missing(key: ObjectKey): StorageError {
  return new StorageError('missing', `memory: no object ${key}`, { detail: { key } });
}
