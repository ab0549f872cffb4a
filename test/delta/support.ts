import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { BsdiffLoad } from '../../delta/codecs/bsdiff-process.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';

/** Runs `work` with a folder of its own. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-delta-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Numbers from 0 to 2^32 - 1 that follow from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Bytes that do not compress. */
export function noise(length: number, seed: number): Buffer {
  const next = random(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = next() & 0xff;
  return bytes;
}

/** Words that compress as text does. */
export function prose(length: number, seed: number): Buffer {
  const next = random(seed);
  const words: string[] = [];
  for (let bytes = 0; bytes < length; bytes += words.at(-1)?.length ?? 1) {
    words.push(`${(next() % 5000).toString(36)}${next() % 9 === 0 ? '\n' : ' '}`);
  }
  return Buffer.from(words.join('')).subarray(0, length);
}

/** A copy with some single bytes changed. */
export function touched(bytes: Buffer, changes: number, seed: number): Buffer {
  const next = random(seed);
  const copy = Buffer.from(bytes);
  for (let n = 0; n < changes && copy.length > 0; n += 1) {
    const at = next() % copy.length;
    copy[at] = ((copy[at] ?? 0) + 1 + (next() % 255)) & 0xff;
  }
  return copy;
}

export interface TarFile {
  readonly name: string | Buffer;
  readonly bytes?: Buffer | undefined;
  /** Default `0`, or `5` for names that end in `/`. */
  readonly type?: string | undefined;
  readonly mtime?: number | undefined;
  /** Written in the header instead of the bytes' length. */
  readonly size?: number | undefined;
  /** Written in base 256. */
  readonly binarySize?: boolean | undefined;
}

const BLOCK = 512;

/** One tar entry; wrong on request. */
export function tarEntry(file: TarFile): Buffer {
  const bytes = file.bytes ?? Buffer.alloc(0);
  const name = Buffer.from(file.name);
  const type = file.type ?? (name.at(-1) === 0x2f ? '5' : '0');
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, 100);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  const size = file.size ?? bytes.length;
  if (file.binarySize === true) {
    block[124] = 0x80;
    block.writeUIntBE(size, 130, 6);
  } else {
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  }
  block.write(`${(file.mtime ?? 0).toString(8).padStart(11, '0')}\0`, 136);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  return Buffer.concat([sealed(block), bytes, padding(bytes.length)]);
}

/** The header with its checksum. */
export function sealed(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

export const END_OF_TAR = Buffer.alloc(2 * BLOCK);

export function makeTar(files: readonly TarFile[]): Buffer {
  return Buffer.concat([...files.map(tarEntry), END_OF_TAR]);
}

/** PAX records: `length key=value\n`. */
export function paxRecords(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 1;
    while (String(length).length + Buffer.byteLength(rest) !== length) length += 1;
    return `${length}${rest}`;
  });
  return Buffer.from(lines.join(''));
}

export interface ImageOptions {
  readonly architecture?: string | undefined;
  readonly variant?: string | undefined;
  /** Layers are stored as plain tars instead of gzip. */
  readonly plain?: boolean | undefined;
  /** Written in the manifest instead of the layers' true size. */
  readonly layerSize?: number | undefined;
}

/** Pushes an image with these layer tars; returns its manifest's digest. */
export async function pushImage(
  blobs: BlobStore,
  tars: readonly Buffer[],
  options: ImageOptions = {},
): Promise<Digest> {
  const layers = [];
  for (const tar of tars) {
    const blob = options.plain === true ? tar : gzipSync(tar);
    const { digest, size } = await blobs.putBytes(blob);
    layers.push({ mediaType: MEDIA_TYPES.ociLayerGzip, digest, size: options.layerSize ?? size });
  }
  const config = await putJson(blobs, {
    os: 'linux',
    architecture: options.architecture ?? 'amd64',
    ...(options.variant !== undefined && { variant: options.variant }),
    rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
  });
  const manifest = await putJson(blobs, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers,
  });
  return manifest.digest;
}

export async function putJson(
  blobs: BlobStore,
  document: unknown,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  return blobs.putBytes(Buffer.from(JSON.stringify(document)));
}

interface BsdiffNode {
  diffSync(oldFile: string, newFile: string, patchFile: string): void;
}

/** bsdiff-node in this process: no child for each of a thousand small pairs. Missing where it is. */
export function quickBsdiff(): Promise<BsdiffLoad> {
  let library: BsdiffNode;
  try {
    library = createRequire(import.meta.url)('bsdiff-node') as BsdiffNode;
  } catch {
    return Promise.resolve(noBsdiff());
  }
  return Promise.resolve({
    kind: 'loaded',
    generator: {
      diff: (files) => {
        library.diffSync(files.old, files.new, files.patch);
        return Promise.resolve('done');
      },
    },
  });
}

export function noBsdiff(): BsdiffLoad {
  return { kind: 'missing', why: 'left out by the test' };
}

/** False where there was no compiler when the packages were installed. */
export async function hasBsdiff(): Promise<boolean> {
  if ((await quickBsdiff()).kind === 'loaded') return true;
  const message = 'bsdiff-node is not installed (it needs a C++ compiler at npm install)';
  if (process.env['CI'] === 'true') throw new Error(message);
  process.stdout.write(`skip: ${message}\n`);
  return false;
}
