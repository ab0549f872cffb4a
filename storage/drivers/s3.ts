import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { CopyDestinationOptions, CopySourceOptions } from 'minio';

import type { Clock } from '../clock.ts';
import { withRetry } from '../decorators/retry.ts';
import { StorageError, isStorageError } from '../errors.ts';
import { isObjectKey, parseObjectKey, type ObjectKey } from '../keys.ts';
import type {
  ByteRange,
  ByteSource,
  IoOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  PutOptions,
} from '../object-store.ts';
import { checkObjectRange, checkRangeShape } from './range.ts';
import { S3Body } from './s3-body.ts';
import { S3Connection, type S3Account } from './s3-connection.ts';
import { uploadObject, type S3Target } from './s3-upload.ts';

/** S3 copies at most that much in one request (S3 API reference, "CopyObject"). */
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** An object stored again gets a new age only when its own is past this: hot pushes then copy nothing. */
const FRESH_MS = 10 * 60 * 1000;
/** Nobody is still writing a multipart upload that old. */
const STALE_UPLOAD_MS = 24 * 60 * 60 * 1000;

export interface S3Options extends S3Account {
  readonly bucket: string;
  /** Prepended to every key; empty or ending in `/`. */
  readonly prefix: string;
}

/**
 * Opens a bucket of any S3 server as an object store and aborts multipart uploads that broken puts
 * left there more than a day ago. The bucket must exist. Throws `unavailable` (missing bucket, refused
 * credentials, no answer; the S3 code is in the message) or `invalid_name` (endpoint).
 */
export async function openS3Store(
  options: S3Options,
  clock: Clock = Date.now,
): Promise<ObjectStore> {
  const store = new S3Store(options, clock);
  await store.check();
  await store.abortStaleUploads(clock() - STALE_UPLOAD_MS);
  return withRetry(store);
}

class S3Store implements ObjectStore {
  readonly name: string;
  readonly #connection: S3Connection;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #clock: Clock;

  constructor(options: S3Options, clock: Clock) {
    this.name = `s3:${options.bucket}`;
    this.#connection = new S3Connection(options);
    this.#bucket = options.bucket;
    this.#prefix = options.prefix;
    this.#clock = clock;
  }

  /** Throws `unavailable` unless the bucket exists and may be listed. */
  async check({ signal }: IoOptions = {}): Promise<void> {
    await this.#connection.control(`${this.name}: check`, signal, (client) =>
      client.listObjectsV2Query(this.#bucket, this.#prefix, '', '', 1, ''),
    );
  }

  async abortStaleUploads(beforeMs: number): Promise<void> {
    const what = `${this.name}: abort stale uploads`;
    await this.#connection.control(what, undefined, async (client) => {
      let [keyMarker, uploadMarker, more] = ['', '', true];
      while (more) {
        const page = await client.listIncompleteUploadsQuery(
          this.#bucket,
          this.#prefix,
          keyMarker,
          uploadMarker,
          '',
        );
        for (const { key, uploadId, initiated } of page.uploads) {
          if (initiated.getTime() < beforeMs)
            await client.abortMultipartUpload(this.#bucket, key, uploadId);
        }
        more = page.isTruncated && page.nextKeyMarker !== keyMarker;
        [keyMarker, uploadMarker] = [page.nextKeyMarker, page.nextUploadIdMarker];
      }
    });
  }

  async put(
    key: ObjectKey,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<{ readonly size: number; readonly created: boolean }> {
    const known = await this.stat(key, options);
    if (known !== undefined) {
      await this.#keep(key, known, options);
      return { size: known.size, created: false };
    }
    const target = this.#target('put', key);
    return { size: await uploadObject(this.#connection, target, source, options), created: true };
  }

  async open(
    key: ObjectKey,
    options: IoOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<Readable> {
    const { range, signal } = options;
    const target = this.#target('open', key);
    if (range !== undefined) checkRangeShape(range, target.what);
    const headers =
      range === undefined ? {} : { range: `bytes=${range.start}-${range.endExclusive - 1}` };
    const response = await this.#connection.send({ ...target, method: 'GET', headers, signal });
    try {
      return new S3Body(response, checkAnswer(response, range, target.what), target.what, signal);
    } catch (error) {
      response.destroy();
      throw error;
    }
  }

  async stat(key: ObjectKey, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    const target = this.#target('stat', key);
    try {
      const response = await this.#connection.send({
        ...target,
        method: 'HEAD',
        signal: options.signal,
      });
      response.resume();
      const modifiedMs = Date.parse(response.headers['last-modified'] ?? '');
      return { size: parseLength(response.headers['content-length'], target.what), modifiedMs };
    } catch (error) {
      if (isStorageError(error, 'missing')) return undefined;
      if (!(error instanceof StorageError) || error.detail['s3Code'] !== 'HTTP 404') throw error;
    }
    // A bare 404 has no body that would tell a missing object from a missing bucket.
    await this.check();
    return undefined;
  }

  async *list(prefix: string, options: IoOptions = {}): AsyncGenerator<ObjectEntry> {
    // No key begins like that, and some servers refuse to look.
    if (!/^[a-z0-9/]*$/.test(prefix)) return;
    const what = `${this.name}: list ${prefix}`;
    for (let token: string | undefined = ''; token !== undefined;) {
      const from: string = token;
      const page = await this.#connection.control(what, options.signal, (client) =>
        client.listObjectsV2Query(this.#bucket, `${this.#prefix}${prefix}`, from, '', 1000, ''),
      );
      for (const { name, size, lastModified } of page.objects) {
        const key = name?.slice(this.#prefix.length);
        if (key === undefined || lastModified === undefined || !isObjectKey(key)) continue;
        yield { key, size, modifiedMs: lastModified.getTime() };
      }
      token = page.isTruncated ? page.nextContinuationToken : undefined;
    }
  }

  async delete(key: ObjectKey, options: IoOptions = {}): Promise<void> {
    const response = await this.#connection
      .send({ ...this.#target('delete', key), method: 'DELETE', signal: options.signal })
      .catch((error: unknown) => {
        if (isStorageError(error, 'missing')) return undefined;
        throw error;
      });
    response?.resume();
  }

  /** Copies within the server; what is larger than 5 GiB goes through this process. */
  async move(from: ObjectKey, to: ObjectKey, options: IoOptions = {}): Promise<void> {
    const [source, target] = [await this.stat(from, options), await this.stat(to, options)];
    if (source === undefined && target === undefined) {
      throw new StorageError('missing', `${this.name}: move ${from} to ${to}: neither exists`);
    }
    if (target !== undefined) await this.#keep(to, target, options);
    else if (source !== undefined) await this.#copy(from, to, source.size, options);
    if (source !== undefined) await this.delete(from, options);
  }

  async #copy(from: ObjectKey, to: ObjectKey, size: number, options: IoOptions): Promise<void> {
    if (size > MAX_COPY_BYTES) {
      const { signal } = options;
      await this.put(to, await this.open(from, { signal }), { signal, expected: { size } });
      return;
    }
    const { object, what } = this.#target('copy', to);
    await this.#connection.control(what, options.signal, (client) =>
      client.copyObject(
        new CopySourceOptions({ Bucket: this.#bucket, Object: this.#target('copy', from).object }),
        // A copy onto itself is allowed only when it replaces something: the metadata, which we don't use.
        new CopyDestinationOptions({
          Bucket: this.#bucket,
          Object: object,
          MetadataDirective: 'REPLACE',
        }),
      ),
    );
  }

  /**
   * Whoever stores an object again is about to name it: its age starts anew, so that a collector
   * waits. Not for objects past 5 GiB, which S3 can't touch.
   */
  async #keep(key: ObjectKey, { size, modifiedMs }: ObjectStat, options: IoOptions): Promise<void> {
    if (size > MAX_COPY_BYTES || this.#clock() - modifiedMs < FRESH_MS) return;
    await this.#copy(key, key, size, options);
  }

  #target(verb: string, key: ObjectKey): S3Target {
    return {
      bucket: this.#bucket,
      object: `${this.#prefix}${parseObjectKey(key)}`,
      what: `${this.name}: ${verb} ${key}`,
    };
  }
}

/** The number of bytes that the answer must bring; the server may cut a range, we don't. */
function checkAnswer(
  response: IncomingMessage,
  range: ByteRange | undefined,
  what: string,
): number {
  if (range === undefined) return parseLength(response.headers['content-length'], what);
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1];
  if (response.statusCode !== 206 || total === undefined) {
    throw new StorageError('unavailable', `${what}: the server does not answer ranges`);
  }
  checkObjectRange(range, Number(total), what);
  return range.endExclusive - range.start;
}

function parseLength(header: string | undefined, what: string): number {
  if (header === undefined || !/^\d{1,16}$/.test(header)) {
    throw new StorageError('unavailable', `${what}: an answer without a length`);
  }
  return Number(header);
}
