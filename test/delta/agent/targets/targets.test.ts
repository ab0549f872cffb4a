import { execFileSync } from 'node:child_process';
import {
  access,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { rollback } from '../../../../delta/agent/rollback.ts';
import { AgentFixture } from '../agent-fixture.ts';
import { wholeCurrent } from '../agent-process.ts';
import { InProcess, NOTHING } from '../in-process.ts';
import { cutAfter } from '../power-cut.ts';
import { noise, sampleTars, SampleStore, tarOf, type SampleRelease } from '../sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let fileOne: SampleRelease;
let fileTwo: SampleRelease;
const IMAGE_BYTES = 300_000;
const DISK_BYTES = 1024 * 1024;

function content(n: number): Buffer {
  const bytes = Buffer.from(noise('image', IMAGE_BYTES));
  noise(`image ${n}`, 20_000).copy(bytes, 100_000);
  return bytes;
}

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 60_000));
  two = await store.release(sampleTars(2, 60_000));
  fileOne = await store.release([tarOf({ 'boot/disk.img': content(1) })]);
  fileTwo = await store.release([tarOf({ 'boot/disk.img': content(2) })]);
});

const device = AgentFixture.use(() => store);

/** Cuts the power before every third step of activating to and fro; `check` tells what is there, whole. */
async function cutEach(
  agent: InProcess,
  pair: readonly [SampleRelease, SampleRelease],
  check: () => Promise<SampleRelease>,
): Promise<number> {
  const { flags } = agent;
  let cuts = 0;
  for (let step = 0, isCut = true; isCut; step += 3) {
    const [from, to] = (await check()) === pair[0] ? pair : ([pair[1], pair[0]] as const);
    agent.flags = { ...flags, preActivate: 'false' };
    await expect(agent.update(to, [to.chunks])).rejects.toMatchObject({ code: 'hook_refused' });
    agent.flags = flags;
    isCut = await cutAfter(step, () => agent.update(to, [to.chunks]));
    cuts += isCut ? 1 : 0;
    expect([from, to]).toContain(await check());
    await agent.update(to, [to.chunks]);
    expect(await check()).toBe(to);
    expect(await wholeCurrent(device.data)).toBe(to.manifest.digest);
  }
  return cuts;
}

describe('rootfs', () => {
  const root = (): string => join(device.data, 'root');

  /** Which release the root folder holds, whole. */
  async function held(): Promise<SampleRelease> {
    const version = await readFile(join(root(), 'etc/version'), 'utf8');
    const release = version === 'version 1\n' ? one : two;
    const [, layer] = sampleTars(release === one ? 1 : 2, 60_000);
    const program = await readFile(join(root(), 'usr/bin/program'));
    expect(layer?.includes(program)).toBe(true);
    expect(program.length).toBe(60_000);
    expect((await stat(join(root(), 'etc/base'))).size).toBe(200_000);
    return release;
  }

  it('is unpacked, switched by one rename, and gone back to', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: `rootfs:${root()}` };
    await agent.update(one);
    expect(await held()).toBe(one);
    await agent.update(two, [two.chunks]);
    expect(await held()).toBe(two);
    expect(await readlink(root())).toBe(`root.rivulet/${two.manifest.digest.slice(7)}`);
    expect(await readdir(`${root()}.rivulet`)).toHaveLength(2);
    await agent.run((open) => rollback(open));
    expect(await held()).toBe(one);
    agent.flags = { ...agent.flags, health: 'test ! -e "$RIVULET_TARGET/etc/version"' };
    await agent.run(async (open) => {
      await open.state.change({ refused: [] });
      return NOTHING;
    });
    expect((await agent.update(two, [two.chunks])).outcome).toBe('rolled_back');
    expect(await held()).toBe(one);
  });

  it('refuses a folder of somebody else, and leaves nothing of a first release that is unhealthy', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: `rootfs:${root()}` };
    await mkdir(root());
    await writeFile(join(root(), 'mine'), 'mine');
    await expect(agent.update(one)).rejects.toThrow('is no symlink');
    expect(await readdir(root())).toEqual(['mine']);
    agent.flags = { target: `rootfs:${root()}2`, health: 'false' };
    expect((await agent.update(one)).outcome).toBe('rolled_back');
    await expect(access(`${root()}2`)).rejects.toThrow('ENOENT');
  });

  it('survives a power cut between the steps of activating', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: `rootfs:${root()}` };
    await agent.update(one);
    expect(await cutEach(agent, [one, two], held)).toBeGreaterThan(6);
  });
});

describe('file', () => {
  const path = (): string => join(device.data, 'firmware.bin');

  async function held(): Promise<SampleRelease> {
    const bytes = await readFile(path());
    if (bytes.equals(content(1))) return fileOne;
    expect(bytes.equals(content(2))).toBe(true);
    return fileTwo;
  }

  it('is replaced whole, gone back to, and left as it was before the first release', async () => {
    const agent = new InProcess(device);
    await writeFile(path(), 'factory');
    agent.flags = { target: `file:${path()}`, health: 'false' };
    expect((await agent.update(fileOne)).outcome).toBe('rolled_back');
    expect(await readFile(path(), 'utf8')).toBe('factory');
    agent.flags = { target: `file:${path()}`, health: 'true' };
    await agent.update(fileTwo);
    expect(await held()).toBe(fileTwo);
    expect(await readFile(`${path()}.rivulet-old`, 'utf8')).toBe('factory');
    await agent.run(async (open) => {
      await open.state.change({ refused: [] });
      return NOTHING;
    });
    await agent.update(fileOne, [fileOne.chunks]);
    expect(await held()).toBe(fileOne);
    await agent.run((open) => rollback(open));
    expect(await held()).toBe(fileTwo);
  });

  it('refuses an image of several files for good, and what runs stays', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: `file:${path()}` };
    await agent.update(fileOne);
    await expect(agent.update(two)).rejects.toMatchObject({ code: 'unsupported' });
    expect(await held()).toBe(fileOne);
    expect(await wholeCurrent(device.data)).toBe(fileOne.manifest.digest);
    expect((await agent.update(two)).reason).toBe('failed_before');
    expect((await agent.update(fileTwo)).outcome).toBe('updated');
  });

  it('survives a power cut between the steps of activating', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: `file:${path()}` };
    await agent.update(fileOne);
    expect(await cutEach(agent, [fileOne, fileTwo], held)).toBeGreaterThan(4);
  });
});

describe('ab', () => {
  const part = (slot: 'a' | 'b'): string => join(device.data, `part-${slot}`);
  const link = (): string => join(device.data, 'part');

  async function disks(bytes = DISK_BYTES): Promise<string> {
    for (const slot of ['a', 'b'] as const) {
      await writeFile(part(slot), '');
      await truncate(part(slot), bytes);
    }
    return `ab:${part('a')},${part('b')},${link()}`;
  }

  async function held(): Promise<SampleRelease> {
    const bytes = (await readFile(link())).subarray(0, IMAGE_BYTES);
    if (bytes.equals(content(1))) return fileOne;
    expect(bytes.equals(content(2))).toBe(true);
    return fileTwo;
  }

  it('goes to the device that does not run, never past its end, and back', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: await disks(), keep: '2' };
    await agent.update(fileOne);
    expect(await readlink(link())).toBe(part('a'));
    const before = await stat(part('a'));
    await agent.update(fileTwo, [fileTwo.chunks]);
    expect(await held()).toBe(fileTwo);
    expect(await readlink(link())).toBe(part('b'));
    expect((await stat(part('a'))).mtimeMs).toBe(before.mtimeMs);
    expect((await stat(part('b'))).size).toBe(DISK_BYTES);
    await agent.run((open) => rollback(open));
    expect(await held()).toBe(fileOne);
  });

  it('refuses an image that is larger than its device', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: await disks(IMAGE_BYTES - 1) };
    await expect(agent.update(fileOne)).rejects.toMatchObject({ code: 'too_large' });
    expect((await readFile(part('a'))).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a device that is in use, and takes it when it is free', async (context) => {
    const agent = new InProcess(device);
    agent.flags = { target: await disks() };
    let loop: string;
    try {
      loop = execFileSync('losetup', ['-f', '--show', part('a')], { encoding: 'utf8' }).trim();
    } catch {
      if (process.env['CI'] === 'true') throw new Error('no loop device');
      context.skip();
      return;
    }
    try {
      await expect(agent.update(fileOne)).rejects.toThrow('is in use by /dev/loop');
    } finally {
      execFileSync('losetup', ['-d', loop]);
    }
    expect((await agent.update(fileOne)).outcome).toBe('updated');
    expect(await held()).toBe(fileOne);
  });

  it('writes real block devices, and refuses one that is mounted', async (context) => {
    const loops: string[] = [];
    const mountPoint = join(device.data, 'mounted');
    const run = (program: string, ...args: string[]): string =>
      execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    await disks();
    try {
      for (const slot of ['a', 'b'] as const) {
        run('mkfs.ext2', '-q', part(slot));
        loops.push(run('losetup', '-f', '--show', part(slot)));
      }
      await mkdir(mountPoint);
      run('mount', loops[0] ?? '', mountPoint);
    } catch (error) {
      for (const loop of loops) run('losetup', '-d', loop);
      if (process.env['CI'] === 'true') throw error;
      context.skip();
      return;
    }
    try {
      const agent = new InProcess(device);
      agent.flags = { target: `ab:${loops.join(',')},${link()}` };
      await expect(agent.update(fileOne)).rejects.toThrow('is mounted');
      run('umount', mountPoint);
      expect((await agent.update(fileOne)).outcome).toBe('updated');
      expect(await readlink(link())).toBe(loops[0]);
      expect(await held()).toBe(fileOne);
      await agent.update(fileTwo, [fileTwo.chunks]);
      expect(await readlink(link())).toBe(loops[1]);
      expect(await held()).toBe(fileTwo);
    } finally {
      for (const loop of loops) run('losetup', '-d', loop);
    }
  });

  it('survives a power cut between the steps of activating', async () => {
    const agent = new InProcess(device);
    agent.flags = { target: await disks() };
    await agent.update(fileOne);
    expect(await cutEach(agent, [fileOne, fileTwo], held)).toBeGreaterThan(4);
  });
});
