import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { fileChecksum } from '../../../../delta/ostree/objects/file-checksum.ts';
import { writeFilez } from '../../../../delta/ostree/objects/filez-write.ts';
import { checkedFilez } from '../../../../delta/ostree/source/checked-filez.ts';
import { rejectionOf } from '../code-of.ts';
import { collect } from '../collect.ts';

const HEADER = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] };

/** A `.filez` and its checksum. */
async function filezOf(content: Uint8Array) {
  const bytes = await collect(writeFilez({ header: HEADER, size: content.length }, [content]));
  return { bytes, checksum: await fileChecksum(HEADER, [content]) };
}

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < bytes.length; at += size) {
    yield await Promise.resolve(bytes.subarray(at, at + size));
  }
}

/** Content of which some compresses well, so that parts of it do not fit those of the source. */
const recipes = fc.record({
  noise: fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  zeros: fc.nat({ max: 300_000 }),
});

function contentOf({ noise, zeros }: { noise: Uint8Array; zeros: number }): Buffer {
  return Buffer.concat([noise, Buffer.alloc(zeros), noise]);
}

describe('a .filez that is checked on its way', () => {
  it('comes out as it is, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer({ min: 1, max: 5000 }), async (recipe, size) => {
        const { bytes, checksum } = await filezOf(contentOf(recipe));
        expect(await collect(checkedFilez(cut(bytes, size), checksum))).toEqual(bytes);
      }),
      { numRuns: 50 },
    );
  });

  it('never comes out whole with another content, or cut off', async () => {
    await fc.assert(
      fc.asyncProperty(recipes, fc.nat(), async (recipe, place) => {
        const content = contentOf(recipe);
        const { bytes, checksum } = await filezOf(content);
        const longer = await filezOf(Buffer.concat([content, Buffer.from('x')]));
        content.writeUInt8((content.at(-1) ?? 0) ^ 1, content.length - 1);
        const changed = await filezOf(content);
        for (const broken of [
          changed.bytes,
          longer.bytes,
          bytes.subarray(0, place % bytes.length),
        ]) {
          expect(await passed(broken, checksum)).toBeLessThan(Math.max(1, broken.length));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('closes its source when it is given up', async () => {
    const { bytes, checksum } = await filezOf(Buffer.alloc(100_000, 'abcdef'));
    let isClosed = false;
    async function* source(): AsyncGenerator<Buffer, void> {
      try {
        yield* cut(bytes, 10);
      } finally {
        isClosed = true;
      }
    }
    for await (const part of checkedFilez(source(), checksum)) {
      expect(part.length).toBe(10);
      break;
    }
    await new Promise(setImmediate);
    expect(isClosed).toBe(true);
  });
});

/** Bytes that came out before the refusal. */
async function passed(
  bytes: Buffer,
  checksum: Parameters<typeof checkedFilez>[1],
): Promise<number> {
  let size = 0;
  const run = async (): Promise<void> => {
    for await (const part of checkedFilez(cut(bytes, 700), checksum)) size += part.length;
  };
  await rejectionOf(run());
  return size;
}
