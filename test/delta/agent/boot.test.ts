import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

import { confirm, countBoot } from '../../../delta/agent/boot.ts';
import { AgentFixture } from './agent-fixture.ts';
import { wholeCurrent } from './agent-process.ts';
import { InProcess, NOTHING } from './in-process.ts';
import { cutAfter } from './power-cut.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1, 60_000));
  two = await store.release(sampleTars(2, 60_000));
});

const device = AgentFixture.use(() => store);

/** A machine that runs release 1 and has switched to release 2, which waits for a reboot. */
async function pending(flags: Record<string, string> = {}): Promise<InProcess> {
  const agent = new InProcess(device);
  await agent.update(one);
  device.region.events.length = 0;
  agent.flags = { activate: 'reboot', bootAttempts: '2', ...flags };
  expect(await agent.update(two)).toMatchObject({
    outcome: 'pending_reboot',
    from: one.manifest.digest,
    to: two.manifest.digest,
  });
  expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
  return agent;
}

describe('a release that proves itself after a reboot', () => {
  it('is neither judged nor replaced before it, and is healthy after it', async () => {
    const reboots = join(device.data, 'reboots');
    const agent = await pending({
      health: 'test "$RIVULET_HOOK" = health',
      rebootCommand: `echo "$RIVULET_TO" >> ${reboots}`,
    });
    expect((await agent.update(two)).outcome).toBe('pending_reboot');
    expect((await readFile(reboots, 'utf8')).trim().split('\n')).toEqual([
      two.manifest.digest,
      two.manifest.digest,
    ]);
    expect(device.region.eventTypes()).not.toContain('healthy full');
    agent.bootId = 'boot-2';
    expect((await agent.run(countBoot)).reason).toBe('unconfirmed');
    expect(await agent.run(confirm)).toMatchObject({ outcome: 'updated' });
    expect(device.region.eventTypes().slice(-2)).toEqual(['booted full', 'healthy full']);
    await expect(agent.run(confirm)).rejects.toMatchObject({ code: 'not_installed' });
    expect((await agent.run(countBoot)).outcome).toBe('up_to_date');
  });

  it('is left by itself after boots without confirmation, each counted once', async () => {
    const agent = await pending();
    for (const id of ['boot-2', 'boot-2', 'boot-3', 'boot-3']) {
      agent.bootId = id;
      expect((await agent.run(countBoot)).reason).toBe('unconfirmed');
      expect(await wholeCurrent(device.data)).toBe(two.manifest.digest);
    }
    agent.bootId = 'boot-4';
    expect(await agent.run(countBoot)).toMatchObject({
      outcome: 'rolled_back',
      to: one.manifest.digest,
      reason: 'not confirmed in 2 boots',
    });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    expect((await agent.update(two)).reason).toBe('failed_before');
    expect(device.region.events.at(-1)?.event).toMatchObject({ type: 'rolled_back' });
  });

  it('is left when its health command says no, and the machine is booted once more', async () => {
    const reboots = join(device.data, 'reboots');
    const agent = await pending({
      health: 'false',
      rebootCommand: `echo "$RIVULET_REASON" >> ${reboots}`,
    });
    agent.bootId = 'boot-2';
    expect((await agent.update(two)).outcome).toBe('rolled_back');
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    expect((await readFile(reboots, 'utf8')).trim().split('\n')).toEqual(['update', 'rollback']);
  });

  it('survives a power cut before each step of counting and of going back', async () => {
    let cuts = 0;
    const agent = new InProcess(device);
    await agent.update(one);
    for (let step = 0, isCut = true; isCut; step += 1) {
      agent.flags = { activate: 'reboot', bootAttempts: '1' };
      await agent.run(async (open) => {
        await open.state.change({ refused: [] });
        return NOTHING;
      });
      agent.bootId = `boot-${step}-0`;
      expect((await agent.update(two)).outcome).toBe('pending_reboot');
      agent.bootId = `boot-${step}-1`;
      await agent.run(countBoot);
      agent.bootId = `boot-${step}-2`;
      isCut = await cutAfter(step, () => agent.run(countBoot));
      cuts += isCut ? 1 : 0;
      const digests = [one.manifest.digest, two.manifest.digest];
      expect(digests).toContain(await wholeCurrent(device.data));
      // The power came back: another boot.
      agent.bootId = `boot-${step}-3`;
      await agent.run(countBoot);
      if ((await wholeCurrent(device.data)) === two.manifest.digest) await agent.run(confirm);
      expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    }
    expect(cuts).toBeGreaterThan(4);
  });
});

describe('hooks', () => {
  it('are told of the update; a before-hook forbids it with a clear code', async () => {
    const agent = new InProcess(device);
    await agent.update(one);
    const log = join(device.data, 'log');
    const tell = `echo "$RIVULET_HOOK $RIVULET_REASON $RIVULET_FROM $RIVULET_TO" >> ${log}`;
    agent.flags = { preInstall: `${tell}; exit 3` };
    await expect(agent.update(two)).rejects.toMatchObject({
      code: 'hook_refused',
      message: expect.stringContaining('exit 3') as string,
    });
    // A busy machine is no fault of the release.
    expect(device.region.eventTypes()).not.toContain('failed');
    agent.flags = { preInstall: tell, preActivate: `${tell}; false` };
    await expect(agent.update(two)).rejects.toMatchObject({ code: 'hook_refused' });
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
    agent.flags = { preInstall: tell, preActivate: tell, postActivate: tell };
    expect((await agent.update(two)).outcome).toBe('updated');
    const facts = `update ${one.manifest.digest} ${two.manifest.digest}`;
    expect((await readFile(log, 'utf8')).trim().split('\n')).toEqual(
      ['pre-install', 'pre-install', 'pre-activate', 'pre-activate', 'post-activate'].map(
        (hook) => `${hook} ${facts}`,
      ),
    );
  });

  it('make a release unhealthy by failing after the switch, or by their deadline', async () => {
    const agent = new InProcess(device);
    await agent.update(one);
    const marker = join(device.data, 'marker');
    await writeFile(marker, '');
    agent.flags = {
      postActivate: `echo "$RIVULET_REASON" >> ${marker}; sleep 60`,
      hookTimeout: '1',
    };
    const result = await agent.update(two);
    expect(result).toMatchObject({ outcome: 'rolled_back' });
    expect(result.reason).toBe('the post-activate command: no answer in 1000 ms');
    expect((await readFile(marker, 'utf8')).trim().split('\n')).toEqual(['update', 'rollback']);
    expect(await wholeCurrent(device.data)).toBe(one.manifest.digest);
  });
});
