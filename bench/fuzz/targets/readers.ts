import { gzipSync } from 'node:zlib';

import { ByteQueue } from '../../../storage/chunk/byte-queue.ts';
import { gunzip } from '../../../storage/chunk/gunzip.ts';
import { unzstd } from '../../../storage/chunk/unzstd.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import { checkTar } from '../../../storage/tar/tar-check.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { walkTar } from '../../../delta/tree/walk.ts';
import { writeTar } from '../../demo/tar-writer.ts';
import { mutate, overwrite } from '../mutate.ts';
import { Random } from '../random.ts';
import { Wrong, type Target } from '../target.ts';

/** Types of entries that mean something to somebody. */
const TYPES = '0157xgLKSDVM';
/** What is made of a few KB stops to be of interest here; who reads layers bounds them. */
const ENOUGH_BYTES = 16 * 1024 * 1024;

/** In one piece, or in two. */
async function* cut(bytes: Buffer, random: Random): AsyncGenerator<Buffer> {
  const at = random.below(2) === 0 ? bytes.length : random.below(bytes.length);
  yield await Promise.resolve(bytes.subarray(0, at));
  if (at < bytes.length) yield bytes.subarray(at);
}

async function drain(made: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  for await (const part of made) {
    bytes += part.length;
    if (bytes > ENOUGH_BYTES) return;
  }
}

function sampleText(): Buffer {
  return Buffer.from(new Random('text').bytes(6000).toString('hex'));
}

export function gunzipTarget(weight: number): Target {
  return {
    name: 'gunzip',
    weight,
    open: () => {
      const one = gzipSync(sampleText());
      const samples = [
        one,
        Buffer.concat([one, gzipSync('second')]),
        gzipSync(Buffer.alloc(100_000)),
      ];
      return Promise.resolve((random, keep) => {
        const hostile = mutate(random.pick(samples), random);
        keep('gz', hostile);
        return drain(gunzip(cut(hostile, random)));
      });
    },
  };
}

export function unzstdTarget(weight: number): Target {
  return {
    name: 'unzstd',
    weight,
    open: async () => {
      const samples = [
        await compressFrame(sampleText(), 3),
        await compressFrame(Buffer.alloc(100_000), 19),
        await compressFrame(Buffer.from('a frame before'), 3),
      ];
      // Decoded block by block, and so seldom: it is longer than what is gathered.
      const long = await compressFrame(Buffer.alloc(5_000_000, sampleText()), 3);
      return (random, keep) => {
        const first = random.below(64) === 0 ? long : random.pick(samples);
        const more = random.below(4) === 0 ? random.pick(samples) : Buffer.alloc(0);
        const hostile = mutate(Buffer.concat([first, more]), random);
        keep('zst', hostile);
        return drain(unzstd(new ByteQueue(cut(hostile, random), 'the input')));
      };
    },
  };
}

export function tarTarget(weight: number): Target {
  return {
    name: 'tar',
    weight,
    open: () => {
      const samples = sampleTars();
      return Promise.resolve(async (random, keep) => {
        const sample = random.pick(samples);
        const bytes = random.below(2) === 0 ? mutate(sample, random) : resealed(sample, random);
        keep('tar', bytes);
        const map = await walkTar(new BufferAccess(bytes));
        await drain(checkTar(cut(bytes, random)));
        if (map === undefined) return;
        let end = 0;
        for (const { start, payloadStart, payloadBytes, end: next } of map.entries) {
          const isOrdered =
            start >= end && payloadStart >= start && next >= payloadStart + payloadBytes;
          if (!isOrdered || next > bytes.length)
            throw new Wrong(`an entry from ${start} to ${next}`);
          end = next;
        }
      });
    },
  };
}

function sampleTars(): readonly Buffer[] {
  const record = 'path=a/longer/name\n';
  const pax = Buffer.from(`${record.length + 3} ${record}`);
  const files = ['bin/a', 'etc/b', 'x'].map((path, n) => ({
    path,
    mode: 0o644,
    bytes: n === 0 ? pax : Buffer.alloc(700 * n, path),
  }));
  return [writeTar(files), writeTar(files.slice(0, 1))];
}

/** Another type, and other numbers, in a header that still has the right checksum. */
function resealed(tar: Buffer, random: Random): Buffer {
  const made = Buffer.from(tar);
  const at = 512 * random.below(made.length / 512);
  const block = made.subarray(at, at + 512);
  overwrite(block, random).copy(block);
  if (random.below(2) === 0) block.write(TYPES.charAt(random.below(TYPES.length)), 156);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return made;
}
