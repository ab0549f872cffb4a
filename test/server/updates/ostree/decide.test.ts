import { describe, expect, it } from 'vitest';

import type {
  OstreeCheckRequest,
  OstreeDecision,
} from '../../../../delta/agent/ostree-protocol.ts';
import { decideOstree } from '../../../../server/updates/ostree/decide.ts';
import { DECISION_TTL_MS, decisionId } from '../../../../server/updates/outcome.ts';
import { sum } from '../../../suites/catalog/ostree-names.ts';
import { DELTA, ostreeAsk, ostreeFacts } from './sample.ts';

const env = { deviceId: 'gate-1', nowMs: 5000, servers: ['http://eu:1', 'http://origin:2/base'] };

function decision(ask: OstreeCheckRequest, facts = ostreeFacts()): OstreeDecision {
  const outcome = decideOstree(facts, ask, env);
  if (outcome.kind !== 'update') throw new Error(`no update: ${outcome.reason}`);
  return outcome.decision;
}

/** The plans as `kind size requests`, or the reason for none. */
function offered(ask: OstreeCheckRequest, facts = ostreeFacts()): string[] {
  const outcome = decideOstree(facts, ask, env);
  if (outcome.kind === 'none') return [outcome.reason];
  return outcome.decision.plans.map(({ kind, size, requests }) => `${kind} ${size} ${requests}`);
}

describe('decideOstree', () => {
  it('names commit, plans and repositories', () => {
    expect(decision(ostreeAsk('c1'))).toEqual({
      kind: 'ostree',
      id: decisionId('gate-1', 7, sum('c1'), sum('c2')),
      product: 'fleet/os',
      channel: 'os/x86_64/stable',
      target: {
        kind: 'ostree',
        repo: 'fleet/os',
        ref: 'os/x86_64/stable',
        commit: sum('c2'),
        releaseCounter: 7,
      },
      from: sum('c1'),
      plans: [
        { kind: 'ostree-delta', from: sum('c1'), size: 2130, ...DELTA },
        { kind: 'ostree-objects', from: sum('c1'), size: 7000, requests: 20 },
      ],
      repositories: ['http://eu:1/ostree/fleet/os', 'http://origin:2/base/ostree/fleet/os'],
      expiresMs: 5000 + DECISION_TTL_MS,
    });
  });

  const waiting = { building: [sum('c0')], steps: [] };
  it.each<[string, string[], OstreeCheckRequest, ReturnType<typeof ostreeFacts> | undefined]>([
    ['the target itself', ['up_to_date'], ostreeAsk('c2'), ostreeFacts()],
    [
      'a first install',
      ['ostree-delta 80130 3', 'ostree-objects 90000 500'],
      ostreeAsk(undefined),
      ostreeFacts(),
    ],
    ['a delta that was not worth it', ['ostree-objects 9000 25'], ostreeAsk('c0'), ostreeFacts()],
    ['a foreign commit', ['ostree-objects 90000 500'], ostreeAsk('other'), ostreeFacts()],
    ['a delta that is built', ['delta_building'], ostreeAsk('c0'), ostreeFacts(waiting)],
    [
      'a device that takes objects only does not wait',
      ['ostree-objects 90000 500'],
      ostreeAsk('c0', { accept: ['ostree-objects'] }),
      ostreeFacts(waiting),
    ],
    [
      'a first install does not wait',
      ['ostree-objects 90000 500'],
      ostreeAsk(undefined),
      ostreeFacts(waiting),
    ],
    [
      'only a delta, none there',
      ['no_plan'],
      ostreeAsk('c0', { accept: ['ostree-delta'] }),
      ostreeFacts(),
    ],
    ['nothing accepted', ['no_plan'], ostreeAsk('c1', { accept: [] }), ostreeFacts()],
    [
      'what another repository has is no base',
      ['ostree-delta 80130 3', 'ostree-objects 90000 500'],
      ostreeAsk(undefined, {
        current: [{ kind: 'ostree', name: 'fleet/other', commit: sum('c1') }],
      }),
      ostreeFacts(),
    ],
  ])('%s', (_what, expected, ask, facts) => {
    expect(offered(ask, facts)).toEqual(expected);
  });

  it('an unknown ref has no release', () => {
    const outcome = decideOstree(undefined, ostreeAsk('c1'), env);
    expect(outcome).toEqual({ kind: 'none', reason: 'no_release', retryAfterSeconds: 60 });
  });

  it('the id is of device, counter and step, and no other server gives another', () => {
    const id = (facts = ostreeFacts(), current: string | undefined = 'c1') =>
      decision(ostreeAsk(current), facts).id;
    expect(id()).toBe(id(ostreeFacts({ steps: [], whole: { bytes: 1, requests: 1 } })));
    expect(id(ostreeFacts({ releaseCounter: 8 }))).not.toBe(id());
    expect(id(ostreeFacts(), 'c0')).not.toBe(id());
  });
});
