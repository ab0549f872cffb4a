import type { Device } from './device.ts';
import { runHook } from './hooks.ts';
import type { ResultEvent } from './output.ts';
import { resultOf } from './result.ts';
import { MAX_REFUSED, type RunState } from './state.ts';
import { switchOver } from './switch-over.ts';

/**
 * Switches from an unhealthy release back to the one before, or to nothing. The verdict is in the
 * state already, so that a crash on the way is finished as one.
 */
export async function goBack(device: Device, run: RunState, why: string): Promise<ResultEvent> {
  const { decision, previous } = run;
  const failed = decision.target.digest;
  const { slots, refused } = device.state.value;
  const to = previous === undefined ? undefined : (slots[previous]?.digest ?? decision.from);
  await switchOver(device, previous);
  await device.report(decision, {
    type: 'rolled_back',
    plan: run.plan,
    code: 'unhealthy',
    message: why,
  });
  await device.state.change({
    run: { ...run, phase: 'rolled_back' },
    activatedMs: device.clock(),
    refused: [...refused.filter((digest) => digest !== failed), failed].slice(-MAX_REFUSED),
    last: {
      outcome: 'rolled_back',
      atMs: device.clock(),
      from: failed,
      to,
      code: 'unhealthy',
      message: why,
    },
  });
  await tellCommands(device, run);
  return resultOf(run, { outcome: 'rolled_back', from: failed, to, reason: why });
}

/** What runs again may have to be started, or booted: nothing depends on it here. */
async function tellCommands(device: Device, run: RunState): Promise<void> {
  const { decision, previous } = run;
  const facts = {
    slot: previous,
    from: decision.target.digest,
    to: decision.from,
    reason: 'rollback',
  } as const;
  const hook = run.boot === undefined ? 'post-activate' : 'reboot';
  const fault = await runHook(device, hook, facts);
  if (fault !== undefined) device.warn(`the ${hook} command failed after going back: ${fault}`);
}
