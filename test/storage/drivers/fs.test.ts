import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { BLOBS_PREFIX } from '../../../storage/keys.ts';
import { spawnTypescript } from '../../support/typescript-child.ts';
import { blob, collect, describeObjectStore, pieces, read } from '../../suites/object-store.ts';
import { mountSmallDisk } from '../../support/small-disk.ts';

describeObjectStore(
  'fs',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'rivulet-fs-'));
    return {
      store: await openFsStore(root),
      another: () => openFsStore(root),
      close: () => rm(root, { recursive: true, force: true }),
    };
  },
  { largeBytes: 5_000_000 },
);

describe('fs store', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rivulet-fs-'));
  });
  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  it('keeps an object in the file that it names', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(100);
    await store.put(key, [bytes]);
    expect(store.filePath?.(key)).toBe(join(root, key));
    expect(await readFile(join(root, key))).toEqual(bytes);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  it('leaves no temporary file after a failure', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(100);
    await expect(store.put(key, [bytes], { expected: { size: 1 } })).rejects.toThrow();
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  it('gives an old object a new age when it is stored again', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(100);
    await store.put(key, [bytes]);
    await utimes(join(root, key), 1000, 1000);
    await store.put(key, [bytes]);
    expect((await store.stat(key))?.modifiedMs).toBeGreaterThan(Date.now() - 60_000);
  });

  it('sweeps what dead processes left, not what living ones write', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(2000);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let started = (): void => undefined;
    const writing = new Promise<void>((resolve) => (started = resolve));
    const put = store.put(
      key,
      (async function* () {
        yield bytes.subarray(0, 1000);
        started();
        await held;
        yield bytes.subarray(1000);
      })(),
    );
    await writing;
    const temporary = join(root, 'tmp');
    const [mine] = await readdir(temporary);
    if (mine === undefined) throw new Error('nothing is being written');
    const [host, , start, random] = mine.split('-');
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const gone = [
      `${host}-${dead}-${start}-${random}`,
      `${host}-${process.pid}-1-${random}`,
      'old-foreign',
    ];
    const kept = [mine, 'young-foreign', `otherhost-${dead}-${start}-${random}`];
    for (const name of [...gone, ...kept.slice(1)]) await writeFile(join(temporary, name), 'x');
    await utimes(join(temporary, 'old-foreign'), 1000, 1000);
    await openFsStore(root);
    expect((await readdir(temporary)).sort()).toEqual(kept.sort());
    release();
    await put;
    expect((await read(store, key)).equals(bytes)).toBe(true);
  });

  it('never follows a symbolic link', async () => {
    const store = await openFsStore(root);
    const { key } = blob(10);
    await writeFile(join(root, 'secret'), 'secret');
    await mkdir(join(root, key, '..'), { recursive: true });
    await symlink(join(root, 'secret'), join(root, key));
    await expect(store.open(key)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.stat(key)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('lists only what is named like an object', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(10);
    await store.put(key, [bytes]);
    await writeFile(join(root, 'blobs', 'sha256', '.DS_Store'), 'x');
    await writeFile(join(root, 'blobs', 'README.txt'), 'x');
    const keys: string[] = [];
    for await (const entry of store.list('')) keys.push(entry.key);
    expect(keys).toEqual([key]);
  });

  it('reports a file that shrank under a reader', async () => {
    const store = await openFsStore(root);
    const { bytes, key } = blob(3_000_000);
    await store.put(key, [bytes]);
    const stream = await store.open(key);
    await writeFile(join(root, key), 'short');
    await expect(collect(stream)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('says unavailable when the root is a file', async () => {
    await writeFile(join(root, 'file'), 'x');
    await expect(openFsStore(join(root, 'file'))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('shows only whole objects after kill -9 in the middle of puts', async () => {
    const script = join(import.meta.dirname, 'fs-kill-child.ts');
    let leftBehind = 0;
    for (const delayMs of [60, 150]) {
      const child = spawnTypescript(script, [root]);
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGKILL');
      await exited;
      leftBehind += (await readdir(join(root, 'tmp'))).length;
      const store = await openFsStore(root);
      expect(await readdir(join(root, 'tmp'))).toEqual([]);
      let whole = 0;
      for await (const { key } of store.list(BLOBS_PREFIX)) {
        const bytes = await read(store, key);
        expect(key.endsWith(digestOf(bytes).slice('sha256:'.length))).toBe(true);
        whole += 1;
      }
      expect(whole).toBeGreaterThan(0);
    }
    // Otherwise no kill came in the middle of a put, and this test has tested nothing.
    expect(leftBehind).toBeGreaterThan(0);
  });

  it('says no_space on a full disk and keeps nothing of the put', async ({ skip }) => {
    const disk = mountSmallDisk(root, 1);
    if (disk === undefined) {
      skip();
      return;
    }
    try {
      const store = await openFsStore(root);
      const small = blob(100_000);
      await store.put(small.key, [small.bytes]);
      const large = blob(2_000_000);
      await expect(store.put(large.key, pieces(large.bytes, 100_000))).rejects.toMatchObject({
        code: 'no_space',
      });
      expect(await store.stat(large.key)).toBeUndefined();
      expect(await readdir(join(root, 'tmp'))).toEqual([]);
      expect((await stat(root)).isDirectory()).toBe(true);
      const another = blob(500_000);
      await store.put(another.key, [another.bytes]);
      expect((await read(store, small.key)).equals(small.bytes)).toBe(true);
      expect((await read(store, another.key)).equals(another.bytes)).toBe(true);
    } finally {
      disk.unmount();
    }
  });
});
