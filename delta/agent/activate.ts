import type { Device } from './device.ts';
import { removeDurable } from './durable.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { emptyFetch } from './fetcher.ts';
import { goBack } from './go-back.ts';
import { askHook, runHook, type HookFacts } from './hooks.ts';
import { pruneKept } from './kept.ts';
import type { ResultEvent } from './output.ts';
import { slotPath } from './paths.ts';
import { resultOf } from './result.ts';
import { MAX_REFUSED, type RunState } from './state.ts';
import { switchOver, targetOf } from './switch-over.ts';

/**
 * Makes a verified release the one that runs, asks the operator's commands, and keeps it or goes back.
 * Every step may be repeated after a crash: the state says which came last. A release that proves
 * itself only after a reboot is left `pending_reboot` until then.
 */
export async function activate(device: Device): Promise<ResultEvent> {
  let run = runOf(device);
  if (run.phase === 'verified') run = await takeUp(device, run);
  if (run.unhealthy === undefined) {
    if (run.boot?.attempts === 0 && run.boot.id === (await device.bootId())) {
      return awaitReboot(device, run);
    }
    const fault = await judge(device, run);
    if (fault === undefined) return keep(device, run);
    run = { ...run, unhealthy: fault };
    await device.state.change({ run });
  }
  return goBack(device, run, run.unhealthy ?? 'unhealthy');
}

function runOf(device: Device): RunState {
  const { run } = device.state.value;
  if (run === undefined) throw new DeviceError('internal', 'there is no release to activate');
  return run;
}

/** What the run's commands are told. */
function factsOf({ slot, decision }: RunState): HookFacts {
  return { slot, from: decision.from, to: decision.target.digest, reason: 'update' };
}

async function takeUp(device: Device, verified: RunState): Promise<RunState> {
  await askHook(device, 'pre-activate', factsOf(verified));
  try {
    await switchOver(device, verified.slot);
  } catch (error) {
    throw await refuse(device, verified, toDeviceError(error, 'the activation'));
  }
  const boot =
    device.options.activate === 'reboot' ? { id: await device.bootId(), attempts: 0 } : undefined;
  const run: RunState = { ...verified, phase: 'activated', boot };
  await device.state.change({ run, activatedMs: device.clock() });
  if (boot === undefined) {
    await device.report(run.decision, { type: 'booted', plan: run.plan });
  }
  return run;
}

/** A release that the target can't ever be is given up; anything else is tried again. */
async function refuse(device: Device, run: RunState, fault: DeviceError): Promise<DeviceError> {
  const { code, message } = fault;
  if (code === 'aborted') return fault;
  await device.report(run.decision, { type: 'failed', plan: run.plan, code, message });
  if (code === 'unsupported' || code === 'corrupt' || code === 'too_large') {
    const failed = run.decision.target.digest;
    const refused = device.state.value.refused.filter((digest) => digest !== failed);
    await device.state.change({
      run: { ...run, phase: 'rolled_back' },
      refused: [...refused, failed].slice(-MAX_REFUSED),
    });
  }
  return fault;
}

async function awaitReboot(device: Device, run: RunState): Promise<ResultEvent> {
  const { decision } = run;
  const end = {
    outcome: 'pending_reboot',
    from: decision.from,
    to: decision.target.digest,
  } as const;
  await device.state.change({ last: { ...end, atMs: device.clock() } });
  const fault = await runHook(device, 'reboot', factsOf(run));
  if (fault !== undefined) device.warn(`the reboot command failed: ${fault}; reboot by hand`);
  return resultOf(run, end);
}

/** Undefined when the release may stay. */
async function judge(device: Device, run: RunState): Promise<string | undefined> {
  const facts = factsOf(run);
  const after = await runHook(device, 'post-activate', facts);
  if (after !== undefined) return `the post-activate command: ${after}`;
  return runHook(device, 'health', facts);
}

async function keep(device: Device, run: RunState): Promise<ResultEvent> {
  const { decision, cost } = run;
  const to = decision.target.digest;
  if (run.boot !== undefined) await device.report(decision, { type: 'booted', plan: run.plan });
  const { bytes, wireBytes } = cost ?? {};
  await device.report(decision, { type: 'healthy', plan: run.plan, bytes, wireBytes });
  const record = { digest: to, verifiedMs: device.clock(), ...device.state.value.slots[run.slot] };
  const slots = { ...device.state.value.slots, [run.slot]: { ...record, isUnproved: undefined } };
  if (device.options.keep === 1 && run.previous !== undefined) {
    Reflect.deleteProperty(slots, run.previous);
  }
  // Before the state says so, for nothing comes back to it after.
  const held = new Set([slots.a?.digest, slots.b?.digest].filter((digest) => digest !== undefined));
  await pruneKept(device.paths, Math.max(0, device.options.keep - 2), held);
  await targetOf(device).prune(held);
  await device.state.change({
    run: { ...run, phase: 'healthy' },
    slots,
    last: { outcome: 'updated', atMs: device.clock(), from: decision.from, to },
  });
  await emptyFetch(device.paths);
  if (device.options.keep === 1 && run.previous !== undefined) {
    await removeDurable(slotPath(device.paths, run.previous));
  }
  return resultOf(run, { outcome: 'updated', from: decision.from, to });
}
