import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { abortedError, checkAborted, fromErrno } from '../durable.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange, OpenOptions } from '../object-store.ts';
import { checkObjectRange } from './range.ts';

/** Bytes of one read unless the caller says: large ones keep a plain Node server ahead of sendfile over loopback. */
const READ_BYTES = 1024 * 1024;

/** Opens a regular file, or a range of it, as a stream whose faults are `StorageError`s. */
export async function openFileRange(
  path: string,
  what: string,
  options: OpenOptions,
): Promise<Readable> {
  const { signal, pieceBytes = READ_BYTES } = options;
  checkAborted(signal, `open ${what}`);
  let file: FileHandle | undefined;
  try {
    // A symbolic link in the store is somebody's mistake or trick: it is never followed.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const facts = await file.stat();
    if (!facts.isFile()) throw new StorageError('unavailable', `${what}: not a regular file`);
    const range = options.range ?? { start: 0, endExclusive: facts.size };
    if (options.range !== undefined) checkObjectRange(range, facts.size, what);
    const stream = new FileRange(file, { ...range, pieceBytes, what });
    file = undefined;
    if (signal !== undefined) destroyOnAbort(stream, signal, what);
    return stream;
  } catch (error) {
    throw fromErrno(error, `open ${what}`);
  } finally {
    await file?.close();
  }
}

class FileRange extends Readable {
  readonly #file: FileHandle;
  readonly #endExclusive: number;
  readonly #pieceBytes: number;
  readonly #what: string;
  #position: number;

  constructor(
    file: FileHandle,
    options: ByteRange & { readonly pieceBytes: number; readonly what: string },
  ) {
    super({ highWaterMark: options.pieceBytes });
    this.#file = file;
    this.#position = options.start;
    this.#endExclusive = options.endExclusive;
    this.#pieceBytes = options.pieceBytes;
    this.#what = options.what;
  }

  override _read(): void {
    const length = Math.min(this.#pieceBytes, this.#endExclusive - this.#position);
    if (length === 0) {
      this.push(null);
      return;
    }
    this.#file.read(Buffer.allocUnsafe(length), 0, length, this.#position).then(
      ({ bytesRead, buffer }) => {
        if (bytesRead === 0) {
          this.destroy(
            new StorageError('corrupt', `${this.#what}: the file ends at byte ${this.#position}`),
          );
          return;
        }
        this.#position += bytesRead;
        this.push(buffer.subarray(0, bytesRead));
      },
      (error: unknown) => {
        this.destroy(fromErrno(error, `read ${this.#what}`) as Error);
      },
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.close().then(
      () => {
        done(error);
      },
      (closing: unknown) => {
        done(error ?? (fromErrno(closing, `close ${this.#what}`) as Error));
      },
    );
  }
}

/** Ends the stream with `aborted` when the signal fires before it is over. */
function destroyOnAbort(stream: Readable, signal: AbortSignal, what: string): void {
  const onAbort = (): void => {
    stream.destroy(abortedError(signal, `read ${what}`));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  stream.once('close', () => {
    signal.removeEventListener('abort', onAbort);
  });
}
