import { expect, it } from 'vitest';

import { MergedMetrics } from '../../../server/observe/merged-metrics.ts';
import { createMetrics, type Metrics } from '../../../server/observe/metrics.ts';
import { readExposition, valueOf } from './exposition.ts';

const SENT = { tier: 'origin', kind: 'whole' } as const;

async function served(merged: MergedMetrics): Promise<number | undefined> {
  return valueOf(readExposition(await merged.render()), 'rivulet_bytes_served_total', SENT);
}

/** As it comes out of a channel between processes. */
async function overTheWire({ registry }: Metrics) {
  return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())) as Awaited<
    ReturnType<Metrics['registry']['getMetricsAsJSON']>
  >;
}

it('adds up what processes counted, and keeps the counts of those that ended', async () => {
  const merged = new MergedMetrics();
  const [first, second] = [createMetrics(), createMetrics()];
  first.bytesServed.inc(SENT, 10);
  second.bytesServed.inc(SENT, 5);
  first.checkSeconds.observe(0.2);
  second.checkSeconds.observe(0.2);
  second.cacheFillInflight.set(7);
  merged.report(1, await overTheWire(first));
  merged.report(2, await overTheWire(second));
  expect(await served(merged)).toBe(15);

  await merged.ended(2);
  merged.report(2, await overTheWire(second));
  first.bytesServed.inc(SENT, 1);
  merged.report(1, await overTheWire(first));
  expect(await served(merged)).toBe(16);
  const samples = readExposition(await merged.render());
  expect(valueOf(samples, 'rivulet_check_duration_seconds_count')).toBe(2);
  expect(valueOf(samples, 'rivulet_cache_fill_inflight')).toBe(0);

  await merged.ended(1);
  expect(await served(merged)).toBe(16);
});
