import { expect, test } from 'vitest';

import { Deferrals } from '../../bench/kills/deferrals.ts';

test('what is refused for now again and again is refused for good after a while', () => {
  const deferrals = new Deferrals();
  for (let ms = 0; ms <= 180_000; ms += 10_000) expect(deferrals.isShort('a', ms)).toBe(true);
  expect(deferrals.isShort('b', 181_000)).toBe(true);
  expect(deferrals.isShort('a', 181_000)).toBe(false);
  // Another refusal, long after the first was over.
  expect(deferrals.isShort('a', 300_000)).toBe(true);
  expect(deferrals.count).toBe(22);
});
