import { describe, expect, it } from 'vitest';

import type { Decision } from '../../../delta/agent/protocol.ts';
import { loadContract } from '../../../server/http/validate.ts';
import { decide } from '../../../server/updates/decide.ts';
import { layer, named, sampleAsk, sampleFacts, samplePlatform } from './sample.ts';

const env = { deviceId: 'device-1', nowMs: 5000, servers: ['http://127.0.0.1:1'] };
const FULL = 60_000 + 40_000 + 1200 + 800;

function decided(
  current: string | undefined,
  metered: boolean,
  platform = samplePlatform(),
): Decision {
  const outcome = decide(sampleFacts(platform), sampleAsk(current, { metered }), env);
  if (outcome.kind !== 'update') throw new Error(outcome.reason);
  return outcome.decision;
}

function withMargin(bytes: number): number {
  return bytes + Math.ceil(bytes / 8) + 65_536;
}

describe('what a decision may cost', () => {
  it('is each plan twice, and 16 MiB for interruptions', () => {
    const { plans, maxBytes } = decided('v1', false);
    expect(maxBytes).toBe(2 * (5000 + FULL + 800 + FULL) + 16 * 1024 * 1024);
    expect(plans.map(({ kind }) => kind)).toEqual(['delta', 'chunks', 'full']);
  });

  it('leaves no room for the whole image on a metered link, and offers none', () => {
    const platform = samplePlatform({
      layers: [layer('a', 90_000_000, { digest: named('index-a'), size: 9000 })],
    });
    const { plans, maxBytes, meteredFull } = decided('v1', true, platform);
    expect(plans.map(({ kind }) => kind)).toEqual(['delta', 'chunks']);
    expect(maxBytes).toBe(withMargin(5000 + 9000 + 2000 + 8 * 5000 + 256 * 1024));
    expect(maxBytes).toBeLessThan(90_000_000 / 100);
    expect(meteredFull).toBeUndefined();
  });

  it('is at most the chunks plan where that is small, and all of it without a delta', () => {
    expect(decided('v1', true).maxBytes).toBe(withMargin(5000 + FULL + 800));
    expect(decided('v0', true).maxBytes).toBe(withMargin(FULL + 800));
  });

  it('lets a metered device that runs nothing pull the image, and says so', () => {
    const decision = decided(undefined, true);
    expect(decision).toMatchObject({ meteredFull: true, maxBytes: withMargin(FULL) });
    expect(decision.plans.map(({ kind }) => kind)).toEqual(['full']);
  });

  it('has no plan for a metered device when only the whole image would do', () => {
    const platform = samplePlatform({ layers: [layer('a', 60_000)] });
    const ask = sampleAsk('v0', { metered: true });
    expect(decide(sampleFacts(platform), ask, env)).toMatchObject({ reason: 'no_plan' });
  });
});

describe('the scratch of a plan', () => {
  it('is what it fetches, and it writes that and the layers', () => {
    const layers = (60_000 + 40_000) * 3;
    for (const plan of decided('v1', false).plans) {
      expect(plan.diskBytes).toBe(plan.size);
      expect(plan.writeBytes).toBe(plan.size + layers + 1024 * 1024);
    }
  });

  it('leaves the writes open where the size of a layer is not known', () => {
    const platform = samplePlatform({ layers: [layer('a', 60_000)] });
    expect(decided('v1', false, platform).plans.map((plan) => plan.writeBytes)).toEqual([
      undefined,
      undefined,
    ]);
  });
});

it('a decision with every optional field follows the contract', async () => {
  const contract = await loadContract();
  const decision: Decision = {
    ...decided('v1', false),
    maxBps: 1000,
    notBeforeMs: 5,
    installWindow: { window: 'Mon-Fri 02:00-05:00', zone: 'Europe/Berlin' },
    meteredFull: false,
  };
  expect(contract.faults('Decision', decision)).toEqual([]);
  expect(contract.faults('Decision', { ...decision, installWindow: {} })).not.toEqual([]);
});
