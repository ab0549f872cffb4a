import { expect, it } from 'vitest';

import { createMetrics } from '../../../server/observe/metrics.ts';
import { readExposition } from './exposition.ts';

it('counts in a registry of its own each time', async () => {
  const [first, second] = [createMetrics(), createMetrics()];
  first.checks.inc({ result: 'update', reason: 'delta' }, 3);
  expect(await first.registry.metrics()).toContain(
    'rivulet_checks_total{result="update",reason="delta"} 3',
  );
  expect(await second.registry.metrics()).not.toContain('reason="delta"');
});

it('names every series rivulet_, counters by _total, times by _seconds', async () => {
  const { registry } = createMetrics();
  const names = (await registry.getMetricsAsJSON())
    .map(({ name }) => name)
    .filter((name) => !/^(process|nodejs)_/.test(name));
  expect(names.length).toBeGreaterThan(8);
  for (const name of names) {
    expect(name).toMatch(/^rivulet_[a-z_]+$/);
    expect(registry.getSingleMetric(name)?.constructor.name === 'Counter').toBe(
      name.endsWith('_total'),
    );
    expect(registry.getSingleMetric(name)?.constructor.name === 'Histogram').toBe(
      /(?<!_timestamp)_seconds$/.test(name),
    );
  }
});

it('is read by a strict parser, hostile label values included', async () => {
  const metrics = createMetrics();
  metrics.checks.inc({ result: 'none', reason: 'a "quoted"\\ \n thing' });
  metrics.checkSeconds.observe(0.3);
  const samples = readExposition(await metrics.registry.metrics());
  expect(samples.length).toBeGreaterThan(50);
});

it.each([
  ['a_total 1\n'],
  ['# HELP a x\n# TYPE a counter\na 1'],
  ['# HELP a x\n# TYPE a counter\na 1\na 1\n'],
  ['# HELP a x\n# TYPE a counter\na -1\n'],
  ['# HELP a x\n# TYPE a gauge\na{b="1} 1\n'],
  ['# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\n'],
])('is told by that parser from what is wrong', (text) => {
  expect(() => readExposition(text)).toThrow();
});
