import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { devicePaths } from '../../delta/agent/paths.ts';
import type { DeltaPlan } from '../../delta/agent/protocol.ts';
import { serveRegistry, type RegistryServer } from '../../delta/agent/serve.ts';
import { readSlot } from '../../delta/agent/slot.ts';
import { AgentFixture } from '../delta/agent/agent-fixture.ts';
import { InProcess } from '../delta/agent/in-process.ts';
import { sampleTars, SampleStore, type SampleRelease } from '../delta/agent/sample-release.ts';
import { mountsBelow, startContainerd, type Containerd } from './containerd.ts';
import { needRootTool, needTool } from './require.ts';

const containerd = needRootTool('containerd');
const ctr = needTool('ctr');
const ELSEWHERE = 'registry.example.test';

describe.skipIf(containerd === undefined || ctr === undefined)('containerd on a device', () => {
  let store: SampleStore;
  let one: SampleRelease;
  let two: SampleRelease;
  let delta: DeltaPlan;
  let node: Containerd;
  let registry: RegistryServer;

  beforeAll(async () => {
    store = new SampleStore();
    one = await store.release(sampleTars(1, 300_000));
    two = await store.release(sampleTars(2, 300_000));
    delta = await store.delta(one, two);
  });
  const device = AgentFixture.use(() => store);
  beforeEach(async () => {
    node = await startContainerd({ containerd: containerd ?? '', ctr: ctr ?? '' }, process.env);
    registry = await serveRegistry({
      paths: devicePaths(device.data),
      product: 'demo/app',
      channel: 'latest',
      host: '127.0.0.1',
      port: 0,
      onError: (message) => {
        throw new Error(message);
      },
    });
    await node.mirror(ELSEWHERE, registry.url);
  });
  afterEach(async () => {
    await registry.close(1000);
    await node.stop();
    expect(await mountsBelow(node.dir)).toEqual([]);
  });

  it('pulls from the device itself after an update by delta, with the same image ID, and unpacks', async () => {
    const agent = new InProcess(device);
    await agent.update(one);
    const older = await readSlot(devicePaths(device.data), 'a');
    const result = await agent.update(two, [delta]);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'delta' });
    // No network from here on.
    await device.region.close();

    await node.pull(`${ELSEWHERE}/demo/app:latest`, '--platform', 'linux/amd64');
    const contents = await node.contents();
    // CRI names an image by its config's digest: the released one.
    expect(contents).toContain(two.config);
    expect(contents).toEqual(expect.arrayContaining([...two.diffIds]));
    const snapshots = await node.ctr('snapshots', 'ls');
    expect(snapshots.trim().split('\n')).toHaveLength(1 + two.diffIds.length);

    const digest = older?.variant.digest ?? '';
    await node.pull(`${ELSEWHERE}/demo/app@${digest}`, '--platform', 'linux/amd64');
    expect(await node.contents()).toContain(one.config);
  });
});
