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
import { spawnTypescript } from '../support/typescript-child.ts';

/** `RIVULET_CHUNKED_BYTES` makes it larger. */
const BYTES = Number(process.env['RIVULET_CHUNKED_BYTES'] ?? 192 * 1024 * 1024);
/**
 * Of chunking, for a layer of any size: each of libuv's four threads keeps zstd's tables, 21 MB, and the
 * young generation grows to 32. Making the form comes on top of what chunking left uncollected.
 */
const CHUNKING_LIMIT = 112 * 1024 * 1024;
const FORM_LIMIT = 144 * 1024 * 1024;
const PIECE = 1024 * 1024;
const FILE = 32 * PIECE;

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

async function store(folder: string, bytes: number): Promise<Digest> {
  const hasher = new DigestHasher();
  for (const piece of layer(bytes)) hasher.update(piece);
  const digest = hasher.digest();
  const blobs = new BlobStore(await openFsStore(join(folder, 'store')));
  await blobs.put(digest, layer(bytes));
  return digest;
}

it('chunks a layer of any size in bounded memory beside the process, and makes its form', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rivulet-chunking-'));
  try {
    // An empty layer first: code, and what its loader took, are the process's own.
    const layers = [await store(folder, 0), await store(folder, BYTES)];
    const child = resolve(import.meta.dirname, 'chunking-child.ts');
    const { stdout } = spawnTypescript(child, [folder, ...layers]);
    const peaks = JSON.parse(await text(stdout)) as number[];
    const [, before = 0, chunked = Infinity, formed = Infinity] = peaks;
    const told = [before, chunked, formed].map((bytes) => `${Math.round(bytes / 1e6)} MB`);
    process.stdout.write(`peak RSS for ${BYTES / 1e6} MB: ${told.join(', ')}\n`);
    expect(chunked).toBeLessThan(before + CHUNKING_LIMIT);
    expect(formed).toBeLessThan(before + FORM_LIMIT);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 900_000);
