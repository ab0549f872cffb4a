import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { CheckRequest, Decision, PlanKind } from '../../../delta/agent/protocol.ts';
import { decide } from '../../../server/updates/decide.ts';
import { DECISION_TTL_MS, decisionId, type Outcome } from '../../../server/updates/outcome.ts';
import { layer, named, sampleAsk, sampleFacts, samplePlatform } from './sample.ts';

const env = { deviceId: 'device-1', nowMs: 5000, servers: ['http://127.0.0.1:1'] };
const FULL = 60_000 + 40_000 + 1200 + 800;
const KINDS: readonly PlanKind[] = ['delta', 'chunks', 'full'];

function decision(outcome: Outcome<Decision>): Decision {
  if (outcome.kind !== 'update') throw new Error(`no update: ${outcome.reason}`);
  return outcome.decision;
}

function kinds(ask: CheckRequest, facts = sampleFacts()): string[] {
  const outcome = decide(facts, ask, env);
  return outcome.kind === 'none' ? [outcome.reason] : outcome.decision.plans.map((p) => p.kind);
}

describe('decide', () => {
  it('offers delta, chunks and full in that order, with what they cost', () => {
    const { plans, ...rest } = decision(decide(sampleFacts(), sampleAsk('v1'), env));
    expect(rest).toEqual({
      id: decisionId('device-1', 7, named('v1'), named('v2')),
      product: 'demo/app',
      channel: 'stable',
      platform: 'linux/amd64',
      target: { digest: named('v2'), size: 800, releaseCounter: 7 },
      from: named('v1'),
      blobs: ['http://127.0.0.1:1/v1/blobs/'],
      expiresMs: 5000 + DECISION_TTL_MS,
      maxBytes: expect.any(Number) as number,
    });
    expect(plans.map(({ kind, size }) => [kind, size])).toEqual([
      ['delta', 5000],
      ['chunks', FULL + 800],
      ['full', FULL],
    ]);
    expect(plans[0]).toMatchObject({ digest: named('delta'), from: named('v1'), source: 'layers' });
    expect(plans[1]).toMatchObject({
      digest: named('v2'),
      layers: [
        { diffId: named('a-diff'), rawSize: 180_000, index: { digest: named('index-a') } },
        { diffId: named('b-diff'), rawSize: 120_000, index: { digest: named('index-b') } },
      ],
    });
    expect(plans[2]).toMatchObject({ digest: named('v2') });
  });

  it.each<[string, string[], CheckRequest, ReturnType<typeof sampleFacts> | undefined]>([
    ['an unknown channel', ['no_release'], sampleAsk('v1'), undefined],
    ['an unknown platform', ['no_release'], sampleAsk('v1', { arch: 'riscv64' }), sampleFacts()],
    ['the target itself', ['up_to_date'], sampleAsk('v2'), sampleFacts()],
    ['a first install', ['full'], sampleAsk(undefined), sampleFacts()],
    ['a version without a delta', ['chunks', 'full'], sampleAsk('v0'), sampleFacts()],
    ['only full accepted', ['full'], sampleAsk('v1', { accept: ['full'] }), sampleFacts()],
    ['only delta, none there', ['no_plan'], sampleAsk('v0', { accept: ['delta'] }), sampleFacts()],
    ['nothing accepted', ['no_plan'], sampleAsk('v1', { accept: [] }), sampleFacts()],
    [
      'the order of the request does not count',
      ['delta', 'full'],
      sampleAsk('v1', { accept: ['full', 'delta'] }),
      sampleFacts(),
    ],
    [
      'a delta that is being built',
      ['delta_building'],
      sampleAsk('v1'),
      sampleFacts(samplePlatform({ deltas: [], building: [named('v1')] })),
    ],
    [
      'a delta that is being built from another version',
      ['chunks', 'full'],
      sampleAsk('v1'),
      sampleFacts(samplePlatform({ deltas: [], building: [named('v0')] })),
    ],
    [
      'a device that takes no delta does not wait for one',
      ['full'],
      sampleAsk('v1', { accept: ['full'] }),
      sampleFacts(samplePlatform({ deltas: [], building: [named('v1')] })),
    ],
    [
      'a first install does not wait either',
      ['full'],
      sampleAsk(undefined),
      sampleFacts(samplePlatform({ building: [named('v1')] })),
    ],
    [
      'one layer is not chunked',
      ['delta', 'full'],
      sampleAsk('v1'),
      sampleFacts(
        samplePlatform({
          layers: [layer('a', 60_000), layer('b', 40_000, { digest: named('i'), size: 1 })],
        }),
      ),
    ],
    [
      'a delta as large as the full image',
      ['chunks', 'full'],
      sampleAsk('v1'),
      sampleFacts(
        samplePlatform({
          deltas: [{ from: named('v1'), digest: named('delta'), size: FULL, ramBytes: 1 }],
        }),
      ),
    ],
    [
      "another repository's image is no base",
      ['full'],
      sampleAsk('v1', { current: [{ kind: 'oci', name: 'other', digest: named('v1') }] }),
      sampleFacts(),
    ],
  ])('%s', (_what, expected, ask, facts) => {
    const outcome = decide(facts, ask, env);
    expect(outcome.kind === 'none' ? [outcome.reason] : kinds(ask, facts)).toEqual(expected);
  });

  it('says when to ask again, soonest while a delta is built', () => {
    const building = sampleFacts(samplePlatform({ deltas: [], building: [named('v1')] }));
    const wait = decide(building, sampleAsk('v1'), env);
    const current = decide(sampleFacts(), sampleAsk('v2'), env);
    expect(wait).toMatchObject({ kind: 'none', reason: 'delta_building' });
    if (wait.kind !== 'none' || current.kind !== 'none') throw new Error('unreachable');
    expect(wait.retryAfterSeconds).toBeGreaterThan(0);
    expect(wait.retryAfterSeconds).toBeLessThan(current.retryAfterSeconds);
  });
});

describe('platforms', () => {
  const arm = samplePlatform({
    platform: 'linux/arm',
    manifest: { digest: named('arm'), size: 1 },
  });
  const armV6 = samplePlatform({
    platform: 'linux/arm/v6',
    manifest: { digest: named('v6'), size: 1 },
  });
  const armV7 = samplePlatform({
    platform: 'linux/arm/v7',
    manifest: { digest: named('v7'), size: 1 },
  });
  const arm64 = samplePlatform({
    platform: 'linux/arm64',
    manifest: { digest: named('arm64'), size: 1 },
  });

  it.each([
    ['exact before plain', [arm, armV6, armV7], { arch: 'arm', variant: 'v7' }, named('v7')],
    ['plain when there is no exact', [arm, armV6], { arch: 'arm', variant: 'v7' }, named('arm')],
    ['no variant is guessed', [armV6], { arch: 'arm', variant: 'v7' }, undefined],
    ['nor for a device without one', [armV7], { arch: 'arm' }, undefined],
    ['arm64 v8 is arm64', [arm, arm64], { arch: 'arm64', variant: 'v8' }, named('arm64')],
    ['the os counts', [arm], { os: 'windows', arch: 'arm' }, undefined],
  ])('%s', (_what, platforms, device, expected) => {
    const outcome = decide(sampleFacts(...platforms), sampleAsk(undefined, device), env);
    expect(outcome.kind === 'none' ? undefined : outcome.decision.target.digest).toBe(expected);
  });
});

describe('the decision id', () => {
  it('is the same from any server at any time, and another for any other step', () => {
    const at = (nowMs: number, deviceId = 'device-1', base = 'http://a') =>
      decision(decide(sampleFacts(), sampleAsk('v1'), { deviceId, nowMs, servers: [base] })).id;
    expect(at(99_999, 'device-1', 'http://b')).toBe(at(1));
    expect(at(1, 'device-2')).not.toBe(at(1));
    const ids = [
      decisionId('d', 1, undefined, named('x')),
      decisionId('d', 2, undefined, named('x')),
      decisionId('d', 1, named('w'), named('x')),
      decisionId('d', 1, undefined, named('y')),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('for any facts and any device', () => {
  const version = fc.constantFrom('v0', 'v1', 'v2', 'v3');
  const platform = fc.record({
    chunked: fc.array(fc.boolean(), { minLength: 0, maxLength: 4 }),
    deltas: fc.uniqueArray(fc.record({ from: version, size: fc.nat(400_000) }), {
      selector: ({ from }) => from,
    }),
    building: fc.uniqueArray(version),
  });
  const ask = fc.record({
    current: fc.option(version, { nil: undefined }),
    accept: fc.subarray([...KINDS]),
  });

  it('plans are accepted kinds, in order, and end in the target', () => {
    fc.assert(
      fc.property(platform, ask, (facts, device) => {
        const target = samplePlatform({
          layers: facts.chunked.map((chunked, i) =>
            layer(`l${i}`, 50_000, chunked ? { digest: named(`i${i}`), size: 100 } : undefined),
          ),
          deltas: facts.deltas.map(({ from, size }) => ({
            from: named(from),
            digest: named(`delta-${from}`),
            size,
            ramBytes: 1,
          })),
          building: facts.building.map(named),
        });
        const request = sampleAsk(device.current, { accept: device.accept });
        const outcome = decide(sampleFacts(target), request, env);
        const waits =
          device.current !== undefined &&
          facts.building.includes(device.current) &&
          device.accept.includes('delta');
        if (outcome.kind === 'none') {
          const expected =
            device.current === 'v2' ? 'up_to_date' : waits ? 'delta_building' : 'no_plan';
          expect(outcome.reason).toBe(expected);
          if (expected === 'no_plan') expect(device.accept).not.toContain('full');
          return;
        }
        expect(device.current).not.toBe('v2');
        expect(waits).toBe(false);
        const { plans } = outcome.decision;
        const order = plans.map(({ kind }) => KINDS.indexOf(kind));
        expect(order).toEqual([...order].sort((a, b) => a - b));
        expect(new Set(order).size).toBe(order.length);
        const fullSize = facts.chunked.length * 50_000 + 2000;
        for (const plan of plans) {
          expect(device.accept).toContain(plan.kind);
          if (plan.kind === 'delta') {
            expect(plan.from).toBe(named(device.current ?? ''));
            expect(plan.size).toBeLessThan(fullSize);
          } else {
            expect(plan.digest).toBe(named('v2'));
          }
        }
        if (device.accept.includes('full')) expect(plans.at(-1)?.kind).toBe('full');
      }),
    );
  });
});
