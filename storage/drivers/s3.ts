import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { CopyDestinationOptions, CopySourceOptions } from 'minio';

import type { Clock } from '../clock.ts';
import { StorageError, isStorageError } from '../errors.ts';
import { parseObjectKey, type ObjectKey } from '../keys.ts';
import type {
  ByteRange,
  ByteSource,
  IoOptions,
  ObjectEntry,
  ObjectStat,
  ObjectStore,
  OpenOptions,
  PutOptions,
} from '../object-store.ts';
import { checkObjectRange, checkRangeShape } from './range.ts';
import { S3Body } from './s3-body.ts';
import { S3Connection, type S3Account } from './s3-connection.ts';
import { hasS3Code } from './s3-errors.ts';
import { listObjects } from './s3-list.ts';
import { uploadObject, type S3Target } from './s3-upload.ts';

/** S3 copies at most that much in one request (S3 API reference, "CopyObject"). */
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** An object stored again gets a new age only when its own is past this: hot pushes then copy nothing. */
const FRESH_MS = 10 * 60 * 1000;
/** Reads up to here are asked for twice when the first answer is late: a second one costs little. */
const HEDGED_BYTES = 256 * 1024;
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
  return store;
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

  /** Throws `unavailable` unless the bucket exists and may be listed. Who asks wants to know how it is now. */
  async check({ signal }: IoOptions = {}): Promise<void> {
    await this.#look(`${this.name}: check`, signal, 1);
  }

  async #look(what: string, signal: AbortSignal | undefined, attempts?: number): Promise<void> {
    await this.#connection.control(
      what,
      signal,
      (client) => client.listObjectsV2Query(this.#bucket, this.#prefix, '', '', 1, ''),
      { attempts },
    );
  }

  async abortStaleUploads(beforeMs: number): Promise<void> {
    const what = `${this.name}: abort stale uploads`;
    let [keyMarker, uploadMarker, more] = ['', '', true];
    while (more) {
      const [key, upload] = [keyMarker, uploadMarker];
      const page = await this.#connection.control(what, undefined, (client) =>
        client.listIncompleteUploadsQuery(this.#bucket, this.#prefix, key, upload, ''),
      );
      for (const { key: name, uploadId, initiated } of page.uploads) {
        if (initiated.getTime() >= beforeMs) continue;
        await this.#connection
          .control(what, undefined, (client) =>
            client.abortMultipartUpload(this.#bucket, name, uploadId),
          )
          .catch((error: unknown) => {
            // Another process that opens the store was quicker.
            if (!hasS3Code(error, 'NoSuchUpload')) throw error;
          });
      }
      more = page.isTruncated && page.nextKeyMarker !== keyMarker;
      [keyMarker, uploadMarker] = [page.nextKeyMarker, page.nextUploadIdMarker];
    }
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
    try {
      const size = await uploadObject(this.#connection, target, source, options);
      return { size, created: true };
    } catch (error) {
      // A server that lets nothing be replaced, and another process was quicker.
      const there = hasS3Code(error, 'PreconditionFailed')
        ? await this.stat(key, options)
        : undefined;
      if (there === undefined) throw error;
      return { size: there.size, created: false };
    }
  }

  async open(key: ObjectKey, options: OpenOptions = {}): Promise<Readable> {
    const { range, signal } = options;
    const target = this.#target('open', key);
    if (range !== undefined) checkRangeShape(range, target.what);
    const first = await this.#get(target, range, undefined, signal);
    const { etag } = first.response.headers;
    const reopen = async (rest: ByteRange): Promise<IncomingMessage> =>
      (await this.#get(target, rest, etag, signal)).response;
    const { retrying } = this.#connection;
    const { what } = target;
    return new S3Body(first.response, { range: first.range, what, signal, retrying, reopen });
  }

  /** Asks for an object or a range of it, as long as it has that entity tag. */
  async #get(
    target: S3Target,
    range: ByteRange | undefined,
    etag: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly response: IncomingMessage; readonly range: ByteRange }> {
    const { what } = target;
    const headers = {
      ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.endExclusive - 1}` }),
      ...(etag === undefined ? {} : { 'if-match': etag }),
    };
    const hedge = range !== undefined && range.endExclusive - range.start <= HEDGED_BYTES;
    const check = (answer: IncomingMessage): void => void answeredRange(answer, range, what);
    const response = await this.#connection
      .send({ ...target, method: 'GET', headers, hedge, check, signal })
      .catch((error: unknown) => {
        if (!hasS3Code(error, 'PreconditionFailed')) throw error;
        throw new StorageError('unavailable', `${what}: changed while it was read: read it again`);
      });
    return { response, range: answeredRange(response, range, what) };
  }

  async stat(key: ObjectKey, options: IoOptions = {}): Promise<ObjectStat | undefined> {
    const target = this.#target('stat', key);
    try {
      const response = await this.#connection.send({
        ...target,
        method: 'HEAD',
        hedge: true,
        signal: options.signal,
      });
      response.resume();
      const modifiedMs = Date.parse(response.headers['last-modified'] ?? '');
      return { size: parseLength(response.headers['content-length'], target.what), modifiedMs };
    } catch (error) {
      if (isStorageError(error, 'missing')) return undefined;
      // A bare status has no body that would tell a missing object from a missing bucket, or what is refused.
      const bare = ['HTTP 404', 'HTTP 403'].find((code) => hasS3Code(error, code));
      if (bare === undefined) throw error;
      await this.#look(target.what, options.signal);
      if (bare === 'HTTP 403') throw error;
      return undefined;
    }
  }

  list(prefix: string, options: IoOptions = {}): AsyncIterable<ObjectEntry> {
    const place = { bucket: this.#bucket, prefix: this.#prefix };
    const what = `${this.name}: list ${prefix}`;
    return listObjects(this.#connection, place, prefix, { ...options, what });
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

/** The bytes of the object that the answer brings: all that were asked for, or it is none. */
function answeredRange(
  response: IncomingMessage,
  range: ByteRange | undefined,
  what: string,
): ByteRange {
  const length = parseLength(response.headers['content-length'], what);
  if (range === undefined) return { start: 0, endExclusive: length };
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1];
  if (response.statusCode !== 206 || total === undefined) {
    throw new StorageError('unavailable', `${what}: the server does not answer ranges`, {
      retryable: false,
    });
  }
  checkObjectRange(range, Number(total), what);
  if (length !== range.endExclusive - range.start) {
    throw new StorageError(
      'unavailable',
      `${what}: asked for ${range.endExclusive - range.start} bytes, offered ${length}`,
    );
  }
  return range;
}

function parseLength(header: string | undefined, what: string): number {
  if (header === undefined || !/^\d{1,16}$/.test(header)) {
    throw new StorageError('unavailable', `${what}: an answer without a length`);
  }
  return Number(header);
}
