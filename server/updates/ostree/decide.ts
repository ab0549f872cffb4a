import type {
  OstreeCheckRequest,
  OstreeDecision,
  OstreeFacts,
  OstreePlan,
  OstreeStep,
} from '../../../delta/agent/ostree-protocol.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { DECISION_TTL_MS, decisionId, none, type DecideEnv, type Outcome } from '../outcome.ts';

/**
 * Decides what a device that follows an OSTree ref is offered. Pure, as `decide` for images. A device
 * waits for the delta from what it runs while that is built; one that has nothing yet does not wait.
 */
export function decideOstree(
  facts: OstreeFacts | undefined,
  ask: OstreeCheckRequest,
  env: DecideEnv,
): Outcome<OstreeDecision> {
  if (facts === undefined) return none('no_release');
  const { product, channel, commit, releaseCounter } = facts;
  const from = currentCommit(ask);
  if (from === commit) return none('up_to_date');
  const takesDelta = ask.accept.includes('ostree-delta');
  if (from !== undefined && takesDelta && facts.building.includes(from)) {
    return none('delta_building');
  }
  const plans = planPull(facts, from).filter(({ kind }) => ask.accept.includes(kind));
  if (plans.length === 0) return none('no_plan');
  return {
    kind: 'update',
    decision: {
      kind: 'ostree',
      id: decisionId(env.deviceId, releaseCounter, from, commit),
      product,
      channel,
      target: { kind: 'ostree', repo: product, ref: channel, commit, releaseCounter },
      ...(from !== undefined && { from }),
      plans,
      repositories: env.servers.map((url) => `${url}/ostree/${product}`),
      expiresMs: env.nowMs + DECISION_TTL_MS,
    },
  };
}

/** The commit of the asked product that the device runs; undefined before its first install. */
export function currentCommit(ask: OstreeCheckRequest): OstreeChecksum | undefined {
  return ask.current.find(({ name }) => name === ask.product)?.commit;
}

/** What the facts tell of the way from there; from scratch for undefined. */
export function stepFrom(
  facts: OstreeFacts,
  from: OstreeChecksum | undefined,
): OstreeStep | undefined {
  return facts.steps.find((step) => step.from === from);
}

function planPull(facts: OstreeFacts, from: OstreeChecksum | undefined): readonly OstreePlan[] {
  const step = stepFrom(facts, from);
  const base = from === undefined ? {} : { from };
  const plans: OstreePlan[] = [];
  if (step?.delta !== undefined) {
    const { superblockBytes, partBytes, fallbackBytes } = step.delta;
    const size = superblockBytes + partBytes + fallbackBytes;
    plans.push({ kind: 'ostree-delta', ...base, size, ...step.delta });
  }
  // Nobody measured what a foreign commit lacks: not more than all of it.
  const { bytes, requests } = step?.objects ?? facts.whole;
  plans.push({ kind: 'ostree-objects', ...base, size: bytes, requests });
  return plans;
}
