import { checkedBytes } from '../byte-source.ts';
import { StorageError } from '../errors.ts';
import type { ByteSource, PutOptions } from '../object-store.ts';
import type { S3Connection } from './s3-connection.ts';
import { hasS3Code } from './s3-errors.ts';

/** Held in memory for each put; also the largest object stored in one request. */
const PART_BYTES = 16 * 1024 * 1024;
/** S3 API reference, "Multipart upload limits". */
const MAX_PARTS = 10_000;

export interface S3Target {
  readonly bucket: string;
  readonly object: string;
  /** For messages. */
  readonly what: string;
}

/**
 * Stores a source as one object: in one request when it fits a part, else as a multipart upload of
 * our own (the client's would take over another process's unfinished upload of the same key). Each
 * part is held until the server has it, so a part that fails is sent again. The request that makes
 * the object visible is sent only after the whole source was checked; a broken promise, a broken
 * source or the signal abort the upload. When the server forgets the upload, a source that can be
 * read again is sent once more. Returns the number of bytes.
 */
export async function uploadObject(
  connection: S3Connection,
  target: S3Target,
  source: ByteSource,
  options: PutOptions,
): Promise<number> {
  try {
    return await uploadOnce(connection, target, source, options);
  } catch (error) {
    if (!hasS3Code(error, 'NoSuchUpload')) throw error;
    const again = options.reopen?.() ?? (Array.isArray(source) ? source : undefined);
    if (again === undefined) throw error;
    return uploadOnce(connection, target, again, options);
  }
}

async function uploadOnce(
  connection: S3Connection,
  target: S3Target,
  source: ByteSource,
  options: PutOptions,
): Promise<number> {
  const upload = new Upload(connection, target, options);
  try {
    for await (const bytes of checkedBytes(source, { ...options, what: target.what })) {
      await upload.add(bytes);
    }
    return await upload.finish();
  } catch (error) {
    await upload.cancel();
    throw error;
  }
}

class Upload {
  readonly #connection: S3Connection;
  readonly #target: S3Target;
  readonly #signal: AbortSignal | undefined;
  readonly #partBytes: number;
  readonly #parts: { part: number; etag: string }[] = [];
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  #size = 0;
  #uploadId: string | undefined;

  constructor(connection: S3Connection, target: S3Target, options: PutOptions) {
    this.#connection = connection;
    this.#target = target;
    this.#signal = options.signal;
    // All parts but the last have one size: some servers ask for it.
    this.#partBytes = Math.max(PART_BYTES, Math.ceil((options.expected?.size ?? 0) / MAX_PARTS));
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      // Sent only when more comes, so that an object of exactly one part needs one request.
      if (this.#bufferedBytes === this.#partBytes) await this.#sendPart();
      const piece = bytes.subarray(done, done + this.#partBytes - this.#bufferedBytes);
      this.#buffered.push(piece);
      this.#bufferedBytes += piece.length;
      this.#size += piece.length;
      done += piece.length;
    }
  }

  async finish(): Promise<number> {
    if (this.#uploadId === undefined) {
      await this.#put({}, this.#take());
      return this.#size;
    }
    await this.#sendPart();
    const { bucket, object, what } = this.#target;
    const uploadId = this.#uploadId;
    const complete = this.#connection.control(what, this.#signal, (client) =>
      client.completeMultipartUpload(bucket, object, uploadId, this.#parts),
    );
    await complete.catch(async (error: unknown) => {
      // An earlier try may have done it, and only its answer was lost.
      if (!hasS3Code(error, 'NoSuchUpload') || !(await this.#isThere())) throw error;
    });
    this.#uploadId = undefined;
    return this.#size;
  }

  async #isThere(): Promise<boolean> {
    try {
      const response = await this.#connection.send({
        ...this.#target,
        method: 'HEAD',
        signal: this.#signal,
      });
      response.resume();
      return response.headers['content-length'] === String(this.#size);
    } catch (error) {
      if (error instanceof StorageError && error.detail['status'] === 404) return false;
      throw error;
    }
  }

  /** Never with the caller's signal: it may be what ended the upload. */
  async cancel(): Promise<void> {
    if (this.#uploadId === undefined) return;
    const { bucket, object, what } = this.#target;
    const uploadId = this.#uploadId;
    // The put's own failure matters more than this one; openS3Store() aborts what stays behind.
    await Promise.allSettled([
      this.#connection.control(what, undefined, (client) =>
        client.abortMultipartUpload(bucket, object, uploadId),
      ),
    ]);
  }

  async #sendPart(): Promise<void> {
    const part = this.#parts.length + 1;
    const { bucket, object, what } = this.#target;
    if (part > MAX_PARTS) {
      throw new StorageError(
        'too_large',
        `${what}: more than ${MAX_PARTS} parts of ${this.#partBytes} bytes`,
      );
    }
    this.#uploadId ??= await this.#connection.control(what, this.#signal, (client) =>
      client.initiateNewMultipartUpload(bucket, object, {}),
    );
    const etag = await this.#put(
      { partNumber: String(part), uploadId: this.#uploadId },
      this.#take(),
    );
    this.#parts.push({ part, etag });
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#buffered, this.#bufferedBytes);
    this.#buffered = [];
    this.#bufferedBytes = 0;
    return bytes;
  }

  /** Returns the entity tag. */
  async #put(query: Readonly<Record<string, string>>, body: Buffer): Promise<string> {
    const response = await this.#connection.send({
      ...this.#target,
      method: 'PUT',
      query,
      body,
      signal: this.#signal,
    });
    response.resume();
    return response.headers.etag?.replaceAll('"', '') ?? '';
  }
}
