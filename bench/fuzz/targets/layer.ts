import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';

import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { mutate } from '../mutate.ts';
import { Random } from '../random.ts';
import { Wrong, type Target } from '../target.ts';

/** The samples expand to more: each is a bomb. */
const MAX_RAW_BYTES = 50_000;

/** A layer, of whatever its first bytes say, never expands beyond its bound. */
export function layerTarget(weight: number): Target {
  return {
    name: 'layer',
    weight,
    open: async () => {
      const text = Buffer.from(new Random('layer').bytes(30_000).toString('hex'));
      const zeros = Buffer.alloc(1_000_000);
      const samples = [
        gzipSync(zeros),
        gzipSync(text.subarray(0, 10_000)),
        await compressFrame(zeros, 3),
        await compressFrame(text.subarray(0, 10_000), 3),
        text,
      ];
      return async (random, keep) => {
        const hostile = mutate(random.pick(samples), random);
        keep('layer', hostile);
        let made = 0;
        const source = Readable.from([hostile]);
        for await (const part of openLayer(source, { maxRawBytes: MAX_RAW_BYTES })) {
          made += part.length;
          if (made > MAX_RAW_BYTES) throw new Wrong(`${made} bytes of a layer`);
        }
      };
    },
  };
}
