import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { isStorageError } from '../../../storage/errors.ts';
import { checkTar } from '../../../storage/tar/tar-check.ts';

describe('checkTar', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'rivulet-tar-'));
    mkdirSync(join(dir, 'in', 'deep'), { recursive: true });
    writeFileSync(join(dir, 'in', 'file'), Buffer.alloc(70_000, 7));
    writeFileSync(join(dir, 'in', 'deep', `${'long'.repeat(40)}..txt`), 'two dots are no way up');
  });
  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  /** A tar by the real program; `rename` is a sed expression on the names. */
  function tar(format: 'gnu' | 'posix' | 'ustar', rename: string, ...files: string[]): Buffer {
    const args = [`--format=${format}`, `--transform=${rename}`, '-P', '-cf', '-', '-C', dir];
    return execFileSync('tar', [...args, ...files], { maxBuffer: 1 << 24 });
  }

  async function check(bytes: Buffer, step = 4096): Promise<Buffer> {
    const parts: Buffer[] = [];
    const source = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += step) {
        yield await Promise.resolve(bytes.subarray(at, at + step));
      }
    };
    for await (const part of checkTar(source())) parts.push(part);
    return Buffer.concat(parts);
  }

  it.each(['gnu', 'posix'] as const)('passes an honest %s tar on as it is', async (format) => {
    const bytes = tar(format, 's,^,,', 'in');
    expect((await check(bytes)).equals(bytes)).toBe(true);
  });

  it.each([
    ['gnu', 's,^in/file,../escaped,'],
    ['posix', 's,^in/file,a/../../escaped,'],
    ['ustar', 's,^in/file,/etc/../escaped,'],
    ['gnu', `s,^in/file,${'x/'.repeat(80)}../escaped,`],
    ['posix', `s,^in/file,${'x/'.repeat(80)}../escaped,`],
    ['gnu', 's,^in/file,..,'],
  ] as const)('refuses a name that climbs (%s, %s)', async (format, rename) => {
    const bytes = tar(format, rename, 'in/file');
    await expect(check(bytes)).rejects.toThrow(/unsafe tar.*climbs out/);
  });

  it('refuses a hard link whose target climbs', async () => {
    execFileSync('ln', ['-f', join(dir, 'in', 'file'), join(dir, 'in', 'zlink')]);
    const bytes = tar('gnu', 'flags=h;s,^in/file,../../target,', 'in/file', 'in/zlink');
    await expect(check(bytes)).rejects.toThrow(/hard link to.*climbs out/);
    rmSync(join(dir, 'in', 'zlink'));
  });

  it('finds it wherever the pieces are cut', async () => {
    const bad = tar('gnu', 's,^in/file,../escaped,', 'in/deep', 'in/file');
    const good = tar('posix', 's,^,,', 'in');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), async (step) => {
        await expect(check(bad, step)).rejects.toThrow(/climbs out/);
        expect((await check(good, step)).equals(good)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('takes an empty layer and an empty tar, and refuses what is no tar', async () => {
    expect(await check(Buffer.alloc(0))).toHaveLength(0);
    expect(await check(Buffer.alloc(1024))).toHaveLength(1024);
    for (const bytes of [Buffer.from('no tar'), Buffer.alloc(512, 'x'), Buffer.alloc(600, 'y')]) {
      const error = await check(bytes).catch((reason: unknown) => reason);
      expect(isStorageError(error, 'corrupt')).toBe(true);
    }
  });

  it('never fails otherwise on damaged headers', async () => {
    const good = tar('posix', 's,^,,', 'in');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 512, max: good.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bytes = Buffer.from(good);
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          expect((await check(bytes)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});
