import { objectFileName, type ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import type { ObjectSource } from '../../../delta/ostree/source/object-source.ts';
import type { MultipartFile } from './multipart.ts';

/** A request that has reached one of these takes no more objects: what a broken connection costs. */
const REQUEST_BYTES = 32 * 1024 * 1024;
const REQUEST_OBJECTS = 1024;

export interface QueueOptions {
  /** How many objects each request opens ahead of the one it sends. */
  readonly ahead: number;
  readonly signal: AbortSignal;
  /** An object went out whole. */
  readonly sent: (name: ObjectName) => void;
  /** Bytes of objects that went out. */
  readonly bytes: (count: number) => void;
}

/** Objects to be sent, taken by several requests, each of them a run of bounded size. */
export class ObjectQueue {
  readonly #source: ObjectSource;
  readonly #names: Iterator<ObjectName, undefined>;
  readonly #options: QueueOptions;
  #next: ObjectName | undefined;

  constructor(source: ObjectSource, names: readonly ObjectName[], options: QueueOptions) {
    this.#source = source;
    this.#names = names.values();
    this.#options = options;
    this.#next = this.#names.next().value;
  }

  get isEmpty(): boolean {
    return this.#next === undefined;
  }

  /**
   * The files of one request. Throws what the source throws and nothing else: an object that is not as
   * its name says breaks the request off before its end.
   */
  async *take(): AsyncGenerator<MultipartFile, void> {
    const { ahead, sent } = this.#options;
    const size = { bytes: 0 };
    const opened: Opened[] = [];
    for (let count = 0; ;) {
      while (opened.length < ahead && count < REQUEST_OBJECTS && size.bytes < REQUEST_BYTES) {
        const name = this.#shift();
        if (name === undefined) break;
        count += 1;
        opened.push({ name, bytes: this.#open(name) });
      }
      const first = opened.shift();
      if (first === undefined) return;
      yield { filename: objectFileName(first.name), bytes: this.#counted(await first.bytes, size) };
      sent(first.name);
    }
  }

  #shift(): ObjectName | undefined {
    const name = this.#next;
    this.#next = this.#names.next().value;
    return name;
  }

  #open({ kind, checksum }: ObjectName): Promise<ObjectBytes> {
    const options = { signal: this.#options.signal };
    const opening =
      kind === 'file'
        ? this.#source.openFilez(checksum, options)
        : this.#source.readMetadata(kind, checksum, options).then((bytes) => [bytes]);
    // It is awaited in its turn, or never when an object before it fails.
    opening.catch(() => undefined);
    return opening;
  }

  async *#counted(parts: ObjectBytes, size: { bytes: number }): AsyncGenerator<Buffer, void> {
    for await (const part of parts) {
      size.bytes += part.length;
      this.#options.bytes(part.length);
      yield part;
    }
  }
}

type ObjectBytes = AsyncIterable<Buffer> | Iterable<Buffer>;

interface Opened {
  readonly name: ObjectName;
  readonly bytes: Promise<ObjectBytes>;
}
