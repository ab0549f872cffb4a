import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { loadContract } from '../../../server/http/validate.ts';
import { named, REPO } from '../../suites/catalog/names.ts';
import { MAIN, sum } from '../../suites/catalog/ostree-names.ts';
import { OSTREE_RESULT, ostreePair } from '../../suites/catalog/ostree-deltas.ts';
import { startOstreeRig, type OstreeRig } from './rig.ts';

interface Page {
  readonly deltas: readonly { readonly id: number; readonly from: string | null }[];
  readonly next?: string;
}

describe('GET /v1/ostree/deltas', () => {
  let rig: OstreeRig;

  beforeAll(async () => {
    rig = await startOstreeRig();
    const { ostreeDeltas } = rig.origin.store.catalog;
    const pairs = [undefined, 'a', 'b', 'c'].map((from) => ostreePair(from, 'd'));
    await ostreeDeltas.ensure(pairs, 0);
    const claim = await ostreeDeltas.claim('test', 1000);
    if (claim === undefined) throw new Error('nothing to claim');
    const file = { name: 'superblock', digest: named('superblock'), size: 10 };
    await ostreeDeltas.publish(claim.delta.id, claim.lease, OSTREE_RESULT, [file]);
  });
  afterAll(() => rig.close());

  async function get(query: string): Promise<Page> {
    const response = await fetch(`${rig.origin.url}/v1/ostree/deltas${query}`);
    expect(response.status).toBe(200);
    const contract = await loadContract();
    const page = (await response.json()) as Page;
    expect(contract.faults('StaticDeltasResponse', page)).toEqual([]);
    return page;
  }

  it('says what is wanted, what came of it, and what it saves', async () => {
    const { deltas } = await get('');
    expect(deltas).toHaveLength(4);
    expect(deltas[0]).toMatchObject({
      repo: REPO,
      ref: MAIN,
      from: null,
      to: sum('d'),
      state: 'published',
      result: { ...OSTREE_RESULT, size: 30, ratio: 30 / 90 },
    });
    expect(deltas[1]).toMatchObject({ from: sum('a'), state: 'pending' });
  });

  it('pages and filters', async () => {
    const first = await get('?limit=3');
    expect(first.deltas).toHaveLength(3);
    const rest = await get((first.next ?? '').replace('/v1/ostree/deltas', ''));
    expect(rest.deltas.map(({ from }) => from)).toEqual([sum('c')]);
    expect(rest.next).toBeUndefined();
    const count = async (query: string) => (await get(query)).deltas.length;
    expect(await count(`?from=scratch&to=${sum('d')}`)).toBe(1);
    expect(await count(`?from=${sum('a')}`)).toBe(1);
    expect(await count(`?repo=${REPO}&ref=${MAIN}&state=pending`)).toBe(3);
    expect(await count('?ref=os/other')).toBe(0);
  });

  it.each(['?from=x', '?to=scratch', '?ref=-', '?state=lost', '?tag=a', '?limit=0'])(
    'refuses %s',
    async (query) => {
      const response = await fetch(`${rig.origin.url}/v1/ostree/deltas${query}`);
      expect([query, response.status]).toEqual([query, 400]);
    },
  );
});
