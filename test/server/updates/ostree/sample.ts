import type {
  OstreeCheckRequest,
  OstreeFacts,
  OstreeStep,
} from '../../../../delta/agent/ostree-protocol.ts';
import { sum } from '../../../suites/catalog/ostree-names.ts';

export const DELTA = { superblockBytes: 100, partBytes: 2000, fallbackBytes: 30, requests: 3 };

/** A ref at `c2` with a delta from `c1` and from scratch, and none worth it from `c0`. */
export function ostreeFacts(changes: Partial<OstreeFacts> = {}): OstreeFacts {
  const whole = { bytes: 90_000, requests: 500 };
  const steps: readonly OstreeStep[] = [
    { objects: whole, delta: { ...DELTA, partBytes: 80_000 } },
    { from: sum('c1'), objects: { bytes: 7000, requests: 20 }, delta: DELTA },
    { from: sum('c0'), objects: { bytes: 9000, requests: 25 } },
  ];
  return {
    product: 'fleet/os',
    channel: 'os/x86_64/stable',
    releaseCounter: 7,
    commit: sum('c2'),
    movedMs: 1000,
    whole,
    steps,
    building: [],
    ...changes,
  };
}

export function ostreeAsk(
  current: string | undefined,
  changes: Partial<OstreeCheckRequest> = {},
): OstreeCheckRequest {
  const name = changes.product ?? 'fleet/os';
  return {
    kind: 'ostree',
    product: 'fleet/os',
    channel: 'os/x86_64/stable',
    current: current === undefined ? [] : [{ kind: 'ostree', name, commit: sum(current) }],
    accept: ['ostree-delta', 'ostree-objects'],
    ...changes,
  };
}
