import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { deltaIndexPath } from '../../delta/ostree/checksum-base64.ts';
import { formatCommitmeta } from '../../delta/ostree/commitmeta.ts';
import { parseDeltaIndex } from '../../delta/ostree/delta-index.ts';
import type { ListedDelta } from '../../delta/ostree/delta-list.ts';
import { parseSummaryFacts } from '../../delta/ostree/summary-facts.ts';
import { parseSummary } from '../../delta/ostree/summary.ts';
import { startFaultProxy, type FaultProxy } from '../faults/ostree-fault-proxy.ts';
import { PLAIN, REF, startOstreeWorld, type OstreeWorld } from '../faults/ostree-world.ts';
import { Pusher } from '../server/ostree/rig.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const INDEX = /\/delta-indexes\//;

describe.skipIf(OSTREE === undefined)('static deltas in the summary', () => {
  let world: OstreeWorld;
  let proxy: FaultProxy;
  let url: string;

  beforeAll(async () => {
    world = await startOstreeWorld(undefined, []);
    url = `${world.rig.origin.url}/ostree/${PLAIN}`;
    proxy = await startFaultProxy(world.rig.origin.url);
  });
  afterAll(async () => {
    await proxy.close();
    await world.close();
  });

  async function listed(): Promise<readonly ListedDelta[]> {
    const bytes = Buffer.from(await (await fetch(`${url}/summary`)).arrayBuffer());
    return parseSummaryFacts(parseSummary(bytes).metadata).staticDeltas;
  }

  async function indexed(): Promise<readonly ListedDelta[]> {
    const answer = await fetch(`${url}/${deltaIndexPath(world.commits[1])}`);
    return parseDeltaIndex(Buffer.from(await answer.arrayBuffer()));
  }

  /** An update by delta; what the client asked for beside objects. */
  async function update(): Promise<readonly string[]> {
    const client = await world.client(`${proxy.url}/ostree/${PLAIN}`);
    await client.pull('--disable-static-deltas', 'origin', `${REF}@${world.commits[0]}`);
    const before = proxy.asked.length;
    await client.pull('--require-static-deltas', 'origin', REF);
    expect((await client.run('rev-parse', `origin:${REF}`)).trim()).toBe(world.commits[1]);
    await client.run('fsck');
    return proxy.asked.slice(before).filter((path) => !path.includes('/objects/'));
  }

  it('are those of the index, which a client that knows it still uses', async () => {
    expect(await listed()).toHaveLength(2);
    expect(await listed()).toEqual(await indexed());
    const asked = await update();
    expect(asked.filter((path) => INDEX.test(path))).toHaveLength(1);
  });

  it('are found there by a client that finds no index', async () => {
    proxy.spoil(INDEX, { kind: 'status', status: 404 }, Infinity);
    const asked = await update();
    expect(asked.filter((path) => path.endsWith('/superblock'))).toHaveLength(1);
  });

  it('follow a new signature at once', async () => {
    const before = await listed();
    const etag = (await fetch(`${url}/summary`)).headers.get('etag');
    const meta = formatCommitmeta([
      ['ostree.gpgsigs', { type: 'aay', value: [Buffer.from('abc')] }],
    ]);
    const put = await new Pusher(url).send('PUT', `commitmeta/${world.commits[1]}`, meta);
    expect(put.status).toBe(204);
    const after = await listed();
    expect(after).toEqual(await indexed());
    expect(after).not.toEqual(before);
    expect((await fetch(`${url}/summary`)).headers.get('etag')).not.toBe(etag);
    await update();
  });

  it('are left out where there are many: all clients get the summary whole', async () => {
    const pusher = new Pusher(url);
    // With the one that has deltas, more commits than a summary may list deltas.
    for (let n = 0; n < 32; n += 1) {
      writeFileSync(join(world.source.tree, 'number'), String(n));
      world.source.commit(`small/${n}`, '--subject=small');
      await pusher.push(world.source.path, `small/${n}`, null);
    }
    expect(await listed()).toEqual([]);
    expect(await indexed()).toHaveLength(2);
    proxy.mend();
    await update();
  });
});
