import { expect, it } from 'vitest';

import { createMetrics } from '../../../server/observe/metrics.ts';

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
  }
});
