import { randomBytes } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';

import { digestAlgorithm, digestBytes, type Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { layOutBody, type BodyLayout, type Satisfiable } from './body-layout.ts';
import { BodyWriter, ClientGone } from './body-writer.ts';
import { checkConditions, rangeHolds } from './conditions.ts';
import { HttpError } from './errors.ts';
import { FileReader } from './file-reader.ts';
import { JoinedReader, type OpenRange } from './joined-reader.ts';
import type { Exchange } from './exchange.ts';
import { OpenFile } from './open-file.ts';
import { MAX_RANGES, parseRange, type RangeAnswer } from './range.ts';

/** Content called by its digest never changes: any cache may keep it for a year. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The most that one transfer holds in memory. */
export const BUFFER_BYTES = 256 * 1024;

/** What an immutable object is called in an answer. */
export interface BlobHead {
  readonly digest: Digest;
  readonly mediaType?: string | undefined;
  /** {@link IMMUTABLE} when it is absent. */
  readonly cacheControl?: string | undefined;
}

/** An immutable object and how to read it. */
export interface BlobSource extends BlobHead {
  /** Bytes. */
  readonly size: number;
  /** Opens a range that lies inside the object; must bring exactly its bytes. */
  readonly open: OpenRange;
  /** A file that holds exactly these bytes: read directly, `open` is then not called. */
  readonly path?: string | undefined;
}

/** Reads the ranges of a body out of an object. */
export interface RangeReader {
  /** Writes the range of that index; indexes ascend. */
  send(index: number, body: BodyWriter): Promise<void>;
  close(): Promise<void>;
}

export type OpenReader = (ranges: readonly ByteRange[]) => RangeReader;

/**
 * Answers a GET or HEAD for an immutable object (RFC 9110): strong ETag, conditions, single and
 * multiple ranges, `Repr-Digest` (RFC 9530); nothing is ever content-encoded. Resolves when the
 * answer is complete or the client has left. Throws `HttpError` before anything is sent
 * (`range_unsatisfiable`, `precondition_failed`, `bad_request` past {@link MAX_RANGES}), and what
 * the source throws: the answer may then have begun and must be broken off.
 */
export async function sendBlob(x: Exchange, source: BlobSource): Promise<void> {
  if (source.path !== undefined) {
    const file = await OpenFile.open(source.path);
    if (file === undefined) throw new StorageError('missing', `${source.digest} has no file`);
    await sendFile(x, source, file);
    return;
  }
  await answer(x, source, source.size, (ranges) => new JoinedReader(source.open, ranges, x.signal));
}

/** As {@link sendBlob}, from an open file that holds exactly the object; closes it. */
export async function sendFile(x: Exchange, head: BlobHead, file: OpenFile): Promise<void> {
  try {
    await answer(x, head, file.size, (ranges) => new FileReader(file, ranges));
  } finally {
    await file.close();
  }
}

/** An object of `size` bytes that is read in a way of its own, through a buffer of `bufferBytes`. */
export interface ReadSource extends BlobHead {
  readonly size: number;
  readonly read: OpenReader;
  readonly bufferBytes: number;
}

/** As {@link sendBlob}, from whatever the reader brings. */
export async function sendRead(x: Exchange, source: ReadSource): Promise<void> {
  await answer(x, source, source.size, source.read, source.bufferBytes);
}

async function answer(
  x: Exchange,
  head: BlobHead,
  size: number,
  open: OpenReader,
  bufferBytes = BUFFER_BYTES,
): Promise<void> {
  const { req, res } = x;
  const etag = `"${head.digest}"`;
  const headers = blobHeaders(head);
  const condition = checkConditions(req.headers, etag);
  if (condition === 'failed') {
    throw new HttpError('precondition_failed', `If-Match does not name ${etag}`);
  }
  if (condition === 'not_modified') {
    res.writeHead(304, headers);
    res.end();
    return;
  }
  const satisfiable = wantedRange(x, etag, size);
  const mediaType = head.mediaType ?? 'application/octet-stream';
  const boundary = satisfiable.kind === 'multi' ? randomBytes(18).toString('hex') : '';
  const layout = layOutBody(satisfiable, size, mediaType, boundary);
  headers['Content-Type'] = layout.contentType;
  headers['Content-Length'] = layout.contentLength;
  if (layout.contentRange !== undefined) headers['Content-Range'] = layout.contentRange;
  res.writeHead(layout.status, headers);
  if (req.method === 'HEAD' || layout.contentLength === 0) res.end();
  else await writeBody(x, layout, open(layout.ranges), bufferBytes);
}

/** The fields of every answer that tell of the object as a whole. */
export function blobHeaders(head: BlobHead): OutgoingHttpHeaders {
  const algorithm = digestAlgorithm(head.digest) === 'sha256' ? 'sha-256' : 'sha-512';
  return {
    ETag: `"${head.digest}"`,
    'Accept-Ranges': 'bytes',
    'Cache-Control': head.cacheControl ?? IMMUTABLE,
    'Docker-Content-Digest': head.digest,
    'Repr-Digest': `${algorithm}=:${Buffer.from(digestBytes(head.digest)).toString('base64')}:`,
  };
}

/** Ranges are defined for GET alone (RFC 9110, 14.2). */
function wantedRange(x: Exchange, etag: string, size: number): Satisfiable {
  const { headers, method } = x.req;
  if (headers.range === undefined || method !== 'GET') return { kind: 'whole' };
  const range = rangeHolds(headers, etag) ? parseRange(headers.range, size) : WHOLE;
  x.metrics?.rangeRequests.inc({ kind: RANGE_LABELS[range.kind] });
  if (range.kind === 'unsatisfiable') {
    throw new HttpError('range_unsatisfiable', `no byte of the range is in ${size} bytes`, {
      headers: { 'Content-Range': `bytes */${size}`, ETag: etag, 'Accept-Ranges': 'bytes' },
    });
  }
  if (range.kind === 'too_many') {
    throw new HttpError('bad_request', `more than ${MAX_RANGES} ranges: ask for fewer at a time`);
  }
  return range;
}

const WHOLE = { kind: 'whole' } as const;

const RANGE_LABELS = {
  whole: 'ignored',
  single: 'range',
  multi: 'multirange',
  unsatisfiable: 'unsatisfiable',
  too_many: 'refused',
} as const satisfies Record<RangeAnswer['kind'], string>;

async function writeBody(
  x: Exchange,
  layout: BodyLayout,
  reader: RangeReader,
  bufferBytes: number,
): Promise<void> {
  const body = new BodyWriter(x.res, Math.min(layout.contentLength, bufferBytes));
  try {
    for (const [index, range] of layout.ranges.entries()) {
      await body.text(layout.before(range, index));
      await reader.send(index, body);
    }
    await body.text(layout.tail);
    body.end();
  } catch (error) {
    if (!(error instanceof ClientGone) && !x.signal.aborted) throw error;
  } finally {
    x.metrics?.bytesServed.inc({ tier: x.tier, kind: layout.kind }, body.sent);
    await reader.close();
  }
}
