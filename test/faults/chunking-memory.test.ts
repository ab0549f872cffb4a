import { createCipheriv } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';

import { writeTar } from '../../bench/demo/tar-writer.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { DigestHasher, type Digest } from '../../storage/digest.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';
import { compressFrame } from '../../storage/zstd.ts';
import { spawnTypescript } from '../support/typescript-child.ts';

/** `RIVULET_CHUNKED_BYTES` makes it larger. */
const BYTES = Number(process.env['RIVULET_CHUNKED_BYTES'] ?? 192 * 1024 * 1024);
/** Of chunking a layer of any size, and of making its form after that. */
const LIMIT = 64_000_000;
/**
 * As the service in docs/operate.md runs. With an arena of glibc's allocator for each thread, layers whose frames
 * are too large to be decoded whole take some 10 MB more than the limit.
 */
const ONE_ARENA = { ...process.env, MALLOC_ARENA_MAX: '1' };
const PIECE = 1024 * 1024;
const FILE = 32 * PIECE;
const FRAME_PIECES = 60;

/** A tar of files that hold zeros and bytes that do not compress, in turns. */
function* layer(bytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE);
  for (let made = 0, number = 0; made < bytes; made += FILE, number += 1) {
    const file = { path: `file-${number}`, mode: 0o644, bytes: Buffer.alloc(FILE) };
    yield writeTar([file]).subarray(0, 512);
    for (let at = 0; at < FILE; at += PIECE) yield number % 2 === 0 ? zeros : cipher.update(zeros);
  }
  yield Buffer.alloc(1024);
}

/** The same in frames of zstd so large that they are decoded piece by piece. */
async function* inFrames(tar: Iterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  for (const piece of tar) {
    parts.push(piece);
    if (parts.length < FRAME_PIECES) continue;
    yield await compressFrame(Buffer.concat(parts), 1);
    parts = [];
  }
  yield await compressFrame(Buffer.concat(parts), 1);
}

async function store(
  folder: string,
  open: () => Iterable<Buffer> | AsyncIterable<Buffer>,
): Promise<Digest> {
  const hasher = new DigestHasher();
  for await (const piece of open()) hasher.update(piece);
  const digest = hasher.digest();
  const blobs = new BlobStore(await openFsStore(join(folder, 'store')));
  await blobs.put(digest, open());
  return digest;
}

/** The most memory that a process has had after chunking each layer, and after making its form. */
async function peaksOf(
  folder: string,
  layers: readonly Digest[],
  env: NodeJS.ProcessEnv,
): Promise<readonly number[]> {
  const child = resolve(import.meta.dirname, 'chunking-child.ts');
  const { stdout } = spawnTypescript(child, [folder, ...layers], env);
  return JSON.parse(await text(stdout)) as readonly number[];
}

it.each([
  ['tar', layer, process.env],
  ['zstd', (bytes: number) => inFrames(layer(bytes)), ONE_ARENA],
])(
  'chunks a %s layer of any size in bounded memory beside the process, and makes its form',
  async (name, open, env) => {
    const folder = await mkdtemp(join(tmpdir(), 'rivulet-chunking-'));
    try {
      // An empty layer first: code, and what its loader took, are the process's own.
      const empty = await store(folder, () => open(0));
      const large = await store(folder, () => open(BYTES));
      // The compiler of the sources, loaded where they are new, would be freed for what is measured.
      await peaksOf(folder, [empty], env);
      const peaks = await peaksOf(folder, [empty, large], env);
      const [, before = 0, chunked = Infinity, formed = Infinity] = peaks;
      const told = [before, chunked, formed].map((bytes) => `${Math.round(bytes / 1e6)} MB`);
      process.stdout.write(`peak RSS for ${name} of ${BYTES / 1e6} MB: ${told.join(', ')}\n`);
      expect(chunked).toBeLessThan(before + LIMIT);
      expect(formed).toBeLessThan(before + LIMIT);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  900_000,
);
