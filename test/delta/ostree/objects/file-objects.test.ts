import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeVariant } from '../../../../delta/ostree/gvariant/encode.ts';
import { swap32, swap64 } from '../../../../delta/ostree/gvariant/swap.ts';
import { parseChecksum } from '../../../../delta/ostree/objects/checksum.ts';
import { fileChecksum } from '../../../../delta/ostree/objects/file-checksum.ts';
import {
  formatFilezHeader,
  formatStreamHeader,
  parseFilezHeader,
  parseStreamHeader,
  type FileHeader,
} from '../../../../delta/ostree/objects/file-header.ts';
import { readFilez } from '../../../../delta/ostree/objects/filez-read.ts';
import { writeFilez } from '../../../../delta/ostree/objects/filez-write.ts';
import { codeOf, faultOf, rejectionOf } from '../code-of.ts';
import { collect, inParts } from '../collect.ts';

const REGULAR: FileHeader = { uid: 0, gid: 0, mode: 0o100_644, target: '', xattrs: [] };
const SYMLINK: FileHeader = { ...REGULAR, mode: 0o120_777, target: 'target' };

async function readAll(bytes: Uint8Array, partBytes = 1000): Promise<Buffer> {
  const filez = await readFilez(inParts(bytes, partBytes));
  return collect(filez.content);
}

const anyHeader: fc.Arbitrary<FileHeader> = fc
  .record({
    uid: fc.nat(0xffff_ffff),
    gid: fc.nat(0xffff_ffff),
    permissions: fc.nat(0o7777),
    target: fc.option(fc.stringMatching(/^[a-zü/.]{1,20}$/), { nil: '' }),
    xattrs: fc.constantFrom([], [{ name: Buffer.from('user.x'), value: Buffer.of(1) }]),
  })
  .map(({ permissions, target, ...rest }) => ({
    ...rest,
    target,
    mode: permissions | (target === '' ? 0o100_000 : 0o120_000),
  }));

describe('content objects', () => {
  it('an empty file: golden bytes', async () => {
    const bytes = await collect(writeFilez({ header: REGULAR, size: 0 }, []));
    expect(bytes.toString('hex')).toBe(
      '0000001a00000000' +
        '0000000000000000' +
        '0000000000000000000081a400000000' +
        '0019' +
        '0300',
    );
    expect(formatStreamHeader(REGULAR).toString('hex')).toBe(
      '0000001200000000' + '0000000000000000000081a400000000' + '0011',
    );
    const checksum = createHash('sha256').update(formatStreamHeader(REGULAR)).digest('hex');
    expect(await fileChecksum(REGULAR, [])).toBe(checksum);
    expect(await readAll(bytes, 1)).toHaveLength(0);
  });

  it('read back as they were written, in parts of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyHeader,
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 700 }),
        async (header, bytes, partBytes) => {
          const content = header.target === '' ? Buffer.from(bytes) : Buffer.alloc(0);
          const checksum = await fileChecksum(header, [content]);
          const written = await collect(
            writeFilez({ header, size: content.length }, inParts(content, partBytes)),
          );
          const filez = await readFilez(inParts(written, partBytes), { checksum });
          expect(filez).toMatchObject({ header, size: content.length });
          expect(await collect(filez.content)).toEqual(content);
          expect(parseStreamHeader(formatStreamHeader(header))).toEqual(header);
        },
      ),
    );
  });

  it('changed bytes are refused, or are another object', async () => {
    const content = Buffer.from('some text, some text, and more text');
    const checksum = await fileChecksum(REGULAR, [content]);
    const written = await collect(writeFilez({ header: REGULAR, size: content.length }, [content]));
    const outcomes = ['the same', 'bad_format', 'size_mismatch', 'digest_mismatch', 'too_large'];
    for (let at = 0; at < written.length; at++) {
      for (const bit of [1, 16, 128]) {
        const changed = Buffer.from(written);
        changed[at] = (changed[at] ?? 0) ^ bit;
        const run = async (): Promise<Buffer> => {
          const filez = await readFilez(inParts(changed, 7), { checksum });
          return collect(filez.content);
        };
        const outcome = await run().then(
          (bytes) => (bytes.equals(content) ? 'the same' : 'another content'),
          codeOf,
        );
        expect(outcomes).toContain(outcome);
      }
    }
  });

  it('stops a bomb at the declared size', async () => {
    const bomb = deflateRawSync(Buffer.alloc(50 * 1024 * 1024));
    const bytes = Buffer.concat([formatFilezHeader({ header: REGULAR, size: 1000 }), bomb]);
    const filez = await readFilez(inParts(bytes, 1000));
    let seen = 0;
    const run = async (): Promise<void> => {
      for await (const part of filez.content) seen += part.length;
    };
    expect((await rejectionOf(run())).code).toBe('size_mismatch');
    expect(seen).toBe(0);
  });

  it.each([
    ['too short a content', formatFilezHeader({ header: REGULAR, size: 9 }), 'size_mismatch'],
    ['bytes after the end', undefined, 'bad_format'],
  ])('%s', async (_what, head, code) => {
    const header = head ?? formatFilezHeader({ header: REGULAR, size: 3 });
    const tail = head === undefined ? Buffer.of(0) : Buffer.alloc(0);
    const bytes = Buffer.concat([header, deflateRawSync(Buffer.from('abc')), tail]);
    for (const partBytes of [1, 5, 1000]) {
      expect((await rejectionOf(readAll(bytes, partBytes))).code).toBe(code);
    }
  });

  it('cut off anywhere', async () => {
    const written = await collect(writeFilez({ header: REGULAR, size: 3 }, [Buffer.from('abc')]));
    for (let length = 0; length < written.length; length++) {
      expect((await rejectionOf(readAll(written.subarray(0, length), 3))).code).toBe('bad_format');
    }
  });

  it('a body after a symlink', async () => {
    const head = formatFilezHeader({ header: SYMLINK, size: 0 });
    expect(await readAll(head)).toHaveLength(0);
    expect((await rejectionOf(readAll(Buffer.concat([head, Buffer.of(3, 0)])))).code).toBe(
      'bad_format',
    );
    const run = collect(writeFilez({ header: SYMLINK, size: 0 }, [Buffer.from('x')]));
    expect((await rejectionOf(run)).code).toBe('size_mismatch');
  });

  it('the wrong object', async () => {
    const written = await collect(writeFilez({ header: REGULAR, size: 3 }, [Buffer.from('abc')]));
    const filez = await readFilez(inParts(written, 9), { checksum: parseChecksum('a'.repeat(64)) });
    expect((await rejectionOf(collect(filez.content))).code).toBe('digest_mismatch');
  });

  it('more or less content than was promised to the writer', async () => {
    for (const size of [2, 4]) {
      const run = collect(writeFilez({ header: REGULAR, size }, [Buffer.from('abc')]));
      expect((await rejectionOf(run)).code).toBe('size_mismatch');
    }
  });

  it('closes its source when it is given up or at fault', async () => {
    let closed = 0;
    const source = async function* (bytes: Buffer): AsyncGenerator<Buffer, void> {
      try {
        yield* inParts(bytes, 10);
      } finally {
        closed += 1;
      }
    };
    const written = await collect(
      writeFilez({ header: REGULAR, size: 300 }, [Buffer.from('abc'.repeat(100))]),
    );
    for await (const part of (await readFilez(source(written))).content) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => closed).toBe(1);
    await rejectionOf(readFilez(source(Buffer.alloc(100))));
    await expect.poll(() => closed).toBe(2);
  });

  it('passes on errors of its source and of its content, and aborts', async () => {
    const failing = async function* (): AsyncGenerator<Buffer, void> {
      yield formatFilezHeader({ header: REGULAR, size: 3 });
      await Promise.resolve();
      throw new Error('the disk is gone');
    };
    const filez = await readFilez(failing());
    await expect(collect(filez.content)).rejects.toThrow('the disk is gone');
    await expect(collect(writeFilez({ header: REGULAR, size: 100 }, failing()))).rejects.toThrow(
      'the disk is gone',
    );
    const controller = new AbortController();
    const written = await collect(writeFilez({ header: REGULAR, size: 3 }, [Buffer.from('abc')]));
    const aborted = await readFilez(inParts(written, 9), { signal: controller.signal });
    controller.abort();
    expect((await rejectionOf(collect(aborted.content))).code).toBe('aborted');
  });

  const filezHeader = (...fields: readonly [bigint, number, number, string, Buffer?]): Buffer => {
    const [size, mode, rdev, target] = fields;
    const variant = encodeVariant('(tuuuusa(ayay))', [
      swap64(size),
      0,
      0,
      swap32(mode),
      rdev,
      target,
      [],
    ]);
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32BE(variant.length);
    return Buffer.concat([prefix, variant]);
  };
  it.each([
    ['a directory', filezHeader(0n, 0o040_755, 0, '')],
    ['a device', filezHeader(0n, 0o020_666, 0, '')],
    ['unknown mode bits', filezHeader(0n, 0o100_644 | 0x100_0000, 0, '')],
    ['a device number', filezHeader(0n, 0o100_644, 1, '')],
    ['a target on a regular file', filezHeader(0n, 0o100_644, 0, 'x')],
    ['a symlink without target', filezHeader(0n, 0o120_777, 0, '')],
    ['too long a target', filezHeader(0n, 0o120_777, 0, 'x'.repeat(4096))],
    ['an absurd size', filezHeader(2n ** 60n, 0o100_644, 0, '')],
    ['a size of 64 bits', filezHeader(2n ** 64n - 1n, 0o100_644, 0, '')],
    ['a header of no bytes', Buffer.alloc(8)],
    ['a header of 4 GiB', Buffer.from('ffffffff00000000', 'hex')],
    ['a prefix that is not zero', Buffer.from('0000001a00000001', 'hex')],
  ])('%s is refused', async (_what, bytes) => {
    expect(faultOf(() => parseFilezHeader(bytes)).code).toBe('bad_format');
    expect((await rejectionOf(readFilez(inParts(bytes, 11)))).code).toBe('bad_format');
  });

  it('reads the size of a symlink as 0, whatever an old writer put there', () => {
    expect(parseFilezHeader(filezHeader(6n, 0o120_777, 0, 'target')).size).toBe(0);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 60])('the size %d is refused', (size) => {
    expect(faultOf(() => formatFilezHeader({ header: REGULAR, size })).code).toBe('bad_format');
  });
});
