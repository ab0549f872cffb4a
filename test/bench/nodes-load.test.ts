import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { runLoad } from '../../bench/nodes/load.ts';

test('bytes of clients at work side by side are all counted, and origins take turns', async () => {
  const asked: string[] = [];
  const result = await runLoad(
    async (url) => {
      asked.push(url);
      await sleep(5);
      return 1000;
    },
    ['a', 'b'],
    { clients: 4, seconds: 0.2 },
  );
  expect(result.count).toBe(asked.length);
  expect(result.count).toBeGreaterThanOrEqual(4);
  expect(result.bytesPerSecond / result.perSecond).toBeCloseTo(1000);
  expect(new Set(asked.slice(0, 4))).toEqual(new Set(['a', 'b']));
});
