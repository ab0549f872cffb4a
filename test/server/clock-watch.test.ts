import { expect, test } from 'vitest';

import { ClockWatch } from '../../server/clock-watch.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** A watch, the time that really passes, and what the clock is wrong by. */
function watched() {
  const time = { passedMs: 0, wrongMs: 0 };
  const watch = new ClockWatch({
    clock: () => 1.8e12 + time.passedMs + time.wrongMs,
    uptime: () => time.passedMs,
    graceMs: HOUR,
  });
  return { time, watch };
}

test('a clock that goes with the time is believed, corrections included', () => {
  const { time, watch } = watched();
  for (let n = 0; n < 100; n += 1) {
    time.passedMs += n * DAY;
    time.wrongMs += n % 2 === 0 ? 9000 : -9000;
    expect(watch.doubtedMs()).toBe(0);
  }
});

test.each([
  ['a minute', 60_000, HOUR],
  ['five hours', 5 * HOUR, 5 * HOUR],
  ['ten years', 10 * YEAR, DAY],
])('one that jumps %s ahead is doubted', (_what, jumpMs, waitMs) => {
  const { time, watch } = watched();
  time.wrongMs = jumpMs;
  expect(watch.doubtedMs()).toBe(waitMs);
  time.passedMs = waitMs - 1;
  expect(watch.doubtedMs()).toBe(1);
  time.passedMs = waitMs;
  expect(watch.doubtedMs()).toBe(0);
});

test('one that goes back is believed, and its way ahead again is a jump', () => {
  const { time, watch } = watched();
  time.wrongMs = -50 * YEAR;
  expect(watch.doubtedMs()).toBe(0);
  time.wrongMs = 0;
  expect(watch.doubtedMs()).toBe(DAY);
});
