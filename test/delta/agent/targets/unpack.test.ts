import { execFileSync } from 'node:child_process';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { unpackLayers } from '../../../../delta/agent/targets/unpack.ts';
import { layoutBlob } from '../../../../delta/agent/paths.ts';
import type { SlotImage } from '../../../../delta/agent/slot.ts';
import { digestOf, type Digest } from '../../../../storage/digest.ts';
import { tarOfEntries, type Entry } from './tar-entries.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-unpack-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Unpacks layers of such entries into `dir/root`. */
async function unpack(...layers: readonly (readonly Entry[])[]): Promise<string> {
  const path = join(dir, 'slot');
  const diffIds: Digest[] = [];
  for (const layer of layers) {
    const tar = tarOfEntries(layer);
    const diffId = digestOf(tar);
    await mkdir(dirname(layoutBlob(path, diffId)), { recursive: true });
    await writeFile(layoutBlob(path, diffId), tar);
    diffIds.push(diffId);
  }
  const release = { path, slot: 'a', image: { diffIds } } as unknown as SlotImage;
  const root = join(dir, 'root');
  await unpackLayers(release, root, new AbortController().signal);
  return root;
}

const text = (name: string, content: string, more: Partial<Entry> = {}): Entry => ({
  name,
  bytes: Buffer.from(content),
  ...more,
});

describe('unpacking', () => {
  it('keeps modes, owners, times, hard links, symlinks, and names that are no UTF-8', async () => {
    const strange = Buffer.from([0x66, 0xff, 0xfe]);
    const root = await unpack([
      { name: 'etc/', type: '5', mode: 0o750, mtime: 1_000_000 },
      text('etc/file', 'one', { mode: 0o4755, uid: 1234, mtime: 2_000_000 }),
      { name: 'etc/hard', type: '1', link: 'etc/file' },
      { name: 'etc/soft', type: '2', link: '/etc/file' },
      { name: strange, bytes: Buffer.from('x') },
    ]);
    const file = await stat(join(root, 'etc/file'));
    expect(file.mode & 0o7777).toBe(0o4755);
    expect(file.mtimeMs).toBe(2_000_000_000);
    if (process.getuid?.() === 0) expect([file.uid, file.gid]).toEqual([1234, 1234]);
    expect((await stat(join(root, 'etc/hard'))).ino).toBe(file.ino);
    expect(await readlink(join(root, 'etc/soft'))).toBe('/etc/file');
    const folder = await stat(join(root, 'etc'));
    expect([folder.mode & 0o7777, folder.mtimeMs]).toEqual([0o750, 1_000_000_000]);
    const names = await readdir(root, { encoding: 'buffer' });
    expect(names.some((name) => name.equals(strange))).toBe(true);
  });

  it('keeps extended attributes', async (context) => {
    if (process.getuid?.() !== 0) {
      context.skip();
      return;
    }
    const pax = { 'SCHILY.xattr.user.note': 'hello' };
    const root = await unpack([text('noted', 'x', { pax })]);
    const { getAttribute } = await import('@napi-rs/xattr');
    expect((await getAttribute(join(root, 'noted'), 'user.note'))?.toString()).toBe('hello');
  });

  it('applies whiteouts and opaque folders to lower layers only', async () => {
    const root = await unpack(
      [text('a/one', '1'), text('a/two', '2'), text('b/old/deep', '3'), text('b/gone', '4')],
      [
        text('a/.wh.one', ''),
        text('b/new', '5'),
        text('b/.wh..wh..opq', ''),
        text('b/sub/kept', '6'),
        text('c', '7'),
        text('.wh.c', ''),
      ],
    );
    expect(await readdir(join(root, 'a'))).toEqual(['two']);
    expect((await readdir(join(root, 'b'))).sort()).toEqual(['new', 'sub']);
    expect(await readFile(join(root, 'c'), 'utf8')).toBe('7');
  });

  it('lets a later entry change what a path is', async () => {
    const root = await unpack(
      [text('x/inner', '1'), text('y', '2'), { name: 'z', type: '2', link: 'y' }],
      [text('x', 'file now'), { name: 'y', type: '5' }, text('y/in', '3'), text('z', 'own')],
    );
    expect(await readFile(join(root, 'x'), 'utf8')).toBe('file now');
    expect(await readFile(join(root, 'y/in'), 'utf8')).toBe('3');
    expect((await lstat(join(root, 'z'))).isFile()).toBe(true);
  });

  it('follows symlinks on the way as a process in the root would', async () => {
    const root = await unpack(
      [
        { name: 'usr/lib', type: '5' },
        { name: 'lib', type: '2', link: '/usr/lib' },
      ],
      [
        { name: 'up', type: '2', link: '../../../../usr' },
        text('lib/so', '1'),
        text('up/deep', '2'),
      ],
    );
    expect(await readFile(join(root, 'usr/lib/so'), 'utf8')).toBe('1');
    expect(await readFile(join(root, 'usr/deep'), 'utf8')).toBe('2');
    expect((await lstat(join(root, 'lib'))).isSymbolicLink()).toBe(true);
  });

  it('does as GNU tar does with a tar of it, for what both do', async () => {
    const source = join(dir, 'source');
    await mkdir(join(source, 'd/e'), { recursive: true });
    const long = 'n'.repeat(180);
    await writeFile(join(source, 'd/e', long), 'long', { mode: 0o600 });
    await writeFile(join(source, 'd/zeros'), Buffer.alloc(200_000));
    const tar = execFileSync('tar', ['-C', source, '--format=pax', '-c', '.'], { maxBuffer: 1e8 });
    const path = join(dir, 'slot');
    const diffId = digestOf(tar);
    await mkdir(dirname(layoutBlob(path, diffId)), { recursive: true });
    await writeFile(layoutBlob(path, diffId), tar);
    const release = { path, image: { diffIds: [diffId] } } as unknown as SlotImage;
    await unpackLayers(release, join(dir, 'root'), new AbortController().signal);
    const list = (folder: string): string =>
      execFileSync('find', ['.', '-printf', '%P %y %m %u %Ts %s\n'], {
        cwd: folder,
        encoding: 'utf8',
      })
        .split('\n')
        .map((line) => line.replace(/ d (.*) \d+$/, ' d $1'))
        .sort()
        .join('\n');
    expect(list(join(dir, 'root'))).toBe(list(source));
  });
});

describe('a hostile layer', () => {
  const outside = (): string => join(dir, 'outside');

  it.each<[string, readonly Entry[]]>([
    ['a name that climbs', [text('../outside/file', 'x')]],
    ['a whiteout of the folder above', [text('d/file', ''), text('d/.wh...', '')]],
    ['a whiteout of the folder itself', [text('d/.wh..', '')]],
    ['a hard link that climbs', [{ name: 'h', type: '1', link: '../outside/secret' }]],
    ['a hard link to nothing', [{ name: 'h', type: '1', link: 'absent' }]],
    ['a device', [{ name: 'dev', type: '3' }]],
    ['a loop of symlinks', [{ name: 'l', type: '2', link: 'l' }, text('l/file', 'x')]],
  ])('is refused: %s', async (_what, entries) => {
    await mkdir(outside());
    await writeFile(join(outside(), 'secret'), 'secret');
    await expect(unpack(entries)).rejects.toMatchObject({
      code: expect.stringMatching(/^(corrupt|unsupported)$/) as string,
    });
    expect(await readdir(outside())).toEqual(['secret']);
  });

  it('does not write through its own symlinks to what lies outside', async () => {
    await mkdir(outside(), { mode: 0o755 });
    await writeFile(join(outside(), 'secret'), 'secret');
    const out = outside();
    const root = await unpack(
      [
        { name: 'link', type: '2', link: out },
        text('link/planted', 'x'),
        { name: 'file', type: '2', link: join(out, 'secret') },
        text('file', 'overwritten'),
        { name: 'h', type: '2', link: join(out, 'secret') },
        { name: 'hard', type: '1', link: 'h' },
      ],
      // A folder that was real becomes a link afterwards: its mode must not go through it.
      [{ name: 'real/sub', type: '5', mode: 0o700 }],
      [text('.wh.real', ''), { name: 'real', type: '2', link: dir }],
      [text('link/.wh.secret', '')],
    );
    expect(await readdir(out)).toEqual(['secret']);
    expect(await readFile(join(out, 'secret'), 'utf8')).toBe('secret');
    expect(await readFile(join(root, out, 'planted'), 'utf8')).toBe('x');
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('overwritten');
  });

  it('is refused when its bytes are not what its digest promises', async () => {
    const path = join(dir, 'slot');
    const tar = tarOfEntries([text('a', 'x')]);
    const diffId = digestOf(Buffer.from('another'));
    await mkdir(dirname(layoutBlob(path, diffId)), { recursive: true });
    await writeFile(layoutBlob(path, diffId), tar);
    const release = { path, image: { diffIds: [diffId] } } as unknown as SlotImage;
    const work = unpackLayers(release, join(dir, 'root'), new AbortController().signal);
    await expect(work).rejects.toMatchObject({ code: 'corrupt' });
  });
});
