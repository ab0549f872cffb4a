import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';

import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { isDigest, type Digest } from '../../storage/digest.ts';
import { errnoOf } from '../../storage/durable.ts';
import { fileSize } from './durable.ts';
import { DeviceError } from './errors.ts';
import { layoutBlob, type DevicePaths } from './paths.ts';
import { heldReleases } from './releases.ts';
import { isOurHost } from './serve-host.ts';
import { currentSlot, readLayout, readSlot, type LayoutImage } from './slot.ts';

export interface ServeOptions {
  readonly paths: DevicePaths;
  /** The repository and the tag under which the image is served. */
  readonly product: string;
  readonly channel: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly onError: (message: string) => void;
}

export interface RegistryServer {
  readonly url: string;
  /** Takes no more requests and lets running ones end, for at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const TAGS = ['latest', 'current'];

/**
 * A read-only registry (OCI distribution 1.1, pull only) of the releases on the device, in their
 * uncompressed form: what runs by tag and by digest, older ones by digest, for the container engine of
 * this very device. Requests that name another host are refused, so that no web page reaches it by a
 * name of its own that resolves to here.
 */
export async function serveRegistry(options: ServeOptions): Promise<RegistryServer> {
  const server = createServer((req, res) => {
    answer(options, req, res).catch((error: unknown) => {
      options.onError(`${req.method ?? ''} ${req.url ?? ''}: ${String(error)}`);
      if (res.headersSent) res.destroy();
      else fail(res, req, 500, 'UNKNOWN', 'the release cannot be read');
    });
  });
  const port = await listen(server, options);
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: (graceMs) => drain(server, graceMs),
  };
}

async function answer(
  options: ServeOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (!isOurHost(req.headers.host, options.host)) {
    fail(res, req, 421, 'DENIED', 'this registry answers to its address and to localhost only');
    return;
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('allow', 'GET, HEAD');
    fail(res, req, 405, 'UNSUPPORTED', 'this registry is read-only');
    return;
  }
  const path = decodePath(req.url ?? '');
  if (path === '/v2/' || path === '/v2') {
    sendJson(res, req, {});
    return;
  }
  const prefix = `/v2/${options.product}/`;
  if (!path.startsWith(prefix)) {
    fail(res, req, 404, 'NAME_UNKNOWN', `only ${options.product} is here`);
    return;
  }
  const [kind, reference = '', ...rest] = path.slice(prefix.length).split('/');
  if (kind === 'manifests' && rest.length === 0) await manifest(options, req, res, reference);
  else if (kind === 'blobs' && rest.length === 0) await blob(options, req, res, reference);
  else if (kind === 'tags' && reference === 'list') {
    sendJson(res, req, { name: options.product, tags: [options.channel] });
  } else fail(res, req, 404, 'UNSUPPORTED', 'no such path');
}

async function manifest(
  options: ServeOptions,
  req: IncomingMessage,
  res: ServerResponse,
  reference: string,
): Promise<void> {
  const isTag = reference === options.channel || TAGS.includes(reference);
  const image = isTag
    ? await running(options.paths)
    : await findRelease(options.paths, (held) => held.variant.digest === reference);
  if (image === undefined) {
    fail(res, req, 404, 'MANIFEST_UNKNOWN', `${reference.slice(0, 200)} is not on this device`);
    return;
  }
  const { bytes, digest } = image.variant;
  res.writeHead(200, {
    'content-type': MEDIA_TYPES.ociManifest,
    'content-length': bytes.length,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  });
  res.end(req.method === 'HEAD' ? undefined : bytes);
}

async function blob(
  options: ServeOptions,
  req: IncomingMessage,
  res: ServerResponse,
  reference: string,
): Promise<void> {
  const image = isDigest(reference)
    ? await findRelease(options.paths, (held) => holds(held, reference))
    : undefined;
  const path =
    image !== undefined && isDigest(reference) ? layoutBlob(image.path, reference) : undefined;
  const size = path === undefined ? undefined : await fileSize(path);
  if (path === undefined || size === undefined) {
    fail(res, req, 404, 'BLOB_UNKNOWN', `${reference.slice(0, 200)} is not part of a release here`);
    return;
  }
  res.setHeader('docker-content-digest', reference);
  res.setHeader('etag', `"${reference}"`);
  res.setHeader('accept-ranges', 'bytes');
  res.setHeader('content-type', 'application/octet-stream');
  const range = parseRange(req, reference, size);
  if (range === 'unsatisfiable') {
    res.setHeader('content-range', `bytes */${size}`);
    fail(res, req, 416, 'SIZE_INVALID', 'no such range');
    return;
  }
  if (range !== undefined) {
    res.setHeader('content-range', `bytes ${range.start}-${range.last}/${size}`);
  }
  const { start, last } = range ?? { start: 0, last: size - 1 };
  res.writeHead(range === undefined ? 200 : 206, { 'content-length': last - start + 1 });
  if (req.method === 'HEAD' || size === 0) res.end();
  else await send(path, start, last, res);
}

async function send(path: string, start: number, last: number, res: ServerResponse): Promise<void> {
  try {
    await pipeline(createReadStream(path, { start, end: last, highWaterMark: 1 << 18 }), res);
  } catch (error) {
    // A client that leaves early is not a fault (containerd does it all the time).
    if (errnoOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE' && errnoOf(error) !== 'ECONNRESET') {
      throw error;
    }
  }
}

async function running(paths: DevicePaths): Promise<LayoutImage | undefined> {
  const slot = await currentSlot(paths);
  return slot === undefined ? undefined : readSlot(paths, slot);
}

/** The newest release that fits; one whose documents are damaged does not count. */
async function findRelease(
  paths: DevicePaths,
  fits: (release: LayoutImage) => boolean,
): Promise<LayoutImage | undefined> {
  for (const { path } of await heldReleases(paths)) {
    try {
      const release = await readLayout(path);
      if (release !== undefined && fits(release)) return release;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
    }
  }
  return undefined;
}

function holds(image: LayoutImage, digest: Digest): boolean {
  return digest === image.image.manifest.config.digest || image.image.diffIds.includes(digest);
}

/** One byte range (RFC 9110, 14.2); undefined for none, for several and for a failed If-Range. */
function parseRange(
  req: IncomingMessage,
  digest: string,
  size: number,
): { readonly start: number; readonly last: number } | 'unsatisfiable' | undefined {
  const condition = req.headers['if-range'];
  if (condition !== undefined && condition !== `"${digest}"`) return undefined;
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(req.headers.range ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, last };
}

function sendJson(res: ServerResponse, req: IncomingMessage, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function fail(
  res: ServerResponse,
  req: IncomingMessage,
  status: number,
  code: string,
  message: string,
): void {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message }] }));
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** The path without its query (`ns=` is of no use here); a bad escape is no path of ours. */
function decodePath(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}

function listen(server: Server, options: ServeOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = `${options.host}:${options.port}`;
      reject(new DeviceError('io', `cannot listen on ${where}: ${cause.message}`, { cause }));
    });
    server.listen(options.port, options.host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : options.port);
    });
  });
}

function drain(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections();
    }, graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
