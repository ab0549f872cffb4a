import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { runRivulet } from '../clients/rivulet.ts';
import { nextVersion } from './engine-pairs.ts';
import { withFolder } from './support.ts';

describe('rivulet delta on plain files', () => {
  it('builds, inspects and applies, by places or by flags', async () => {
    await withFolder(async (folder) => {
      const [old, fresh, delta] = ['old', 'new', 'delta'].map((name) => join(folder, name));
      if (old === undefined || fresh === undefined || delta === undefined) throw new Error('names');
      const [oldBytes, newBytes] = nextVersion(50_000, 1);
      await writeFile(old, oldBytes);
      await writeFile(fresh, newBytes);
      for (const args of [
        [old, fresh, '-o', delta],
        ['--old', old, '--new', fresh, '--out', delta, '--profile', 'fast', '--no-proof'],
      ]) {
        const built = await runRivulet(['delta', 'build', ...args, '--json']);
        expect(built.code).toBe(0);
        expect(JSON.parse(built.stdout)).toMatchObject({ event: 'built', codecs: { engine: {} } });
        const made = join(folder, `made-${args.length}`);
        const applied = await runRivulet(['delta', 'apply', old, delta, '-o', made]);
        expect(applied).toMatchObject({ code: 0, stderr: '' });
        expect((await readFile(made)).equals(newBytes)).toBe(true);
      }
      const table = await runRivulet(['delta', 'inspect', delta, '--old', old]);
      expect(table.stdout).toMatch(/codec +coded +of +what\n +engine /);
      expect(table.stdout).toMatch(/stream +bytes +share\n/);
      expect(table.stdout).toMatch(/what the engine spent\n +on +bytes +share\n/);
      const json = await runRivulet(['delta', 'inspect', delta, '--json']);
      expect(JSON.parse(json.stdout)).toMatchObject({ event: 'delta', version: 2, kind: 'file' });
    });
  });

  it('says plainly that the base is another one, and leaves no output', async () => {
    await withFolder(async (folder) => {
      const [old, delta] = [join(folder, 'old'), join(folder, 'delta')];
      await writeFile(old, 'one');
      await writeFile(join(folder, 'new'), 'two');
      await runRivulet(['delta', 'build', old, join(folder, 'new'), '-o', delta]);
      await writeFile(old, 'One');
      const { code, stderr } = await runRivulet([
        'delta',
        'apply',
        old,
        delta,
        '-o',
        join(folder, 'c'),
      ]);
      expect(code).toBe(3);
      expect(stderr).toMatch(
        /^rivulet: the delta was made from sha256:[0-9a-f]+ .* the file at hand is/,
      );
      await expect(readFile(join(folder, 'c'))).rejects.toThrow(/ENOENT/);
    });
  });

  it('wants each operand once', async () => {
    for (const args of [
      ['build', 'a', '-o', 'c'],
      ['build', 'a', 'b', '--old', 'a', '-o', 'c'],
      ['apply', 'a', '-o', 'c'],
    ]) {
      expect((await runRivulet(['delta', ...args])).code).toBe(2);
    }
  });
});
