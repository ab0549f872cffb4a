import { removeDurable } from './durable.ts';
import type { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import { emptyFetch } from './fetcher.ts';
import { checkHealth } from './health.ts';
import type { ResultEvent } from './output.ts';
import { slotPath } from './paths.ts';
import { switchCurrent } from './slot.ts';
import { MAX_REFUSED, type RunState } from './state.ts';

/**
 * Makes a verified release the one that runs, asks the health command, and keeps it or goes back.
 * Every step may be repeated after a crash: the state says which came last.
 */
export async function activate(device: Device): Promise<ResultEvent> {
  let run = runOf(device);
  if (run.phase === 'verified') {
    await switchCurrent(device.paths, run.slot);
    run = { ...run, phase: 'activated' };
    await device.state.change({ run, activatedMs: device.clock() });
    await device.report(run.decision, { type: 'booted', plan: run.plan });
  }
  if (run.unhealthy === undefined) {
    const fault = await askHealth(device, run);
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

async function askHealth(device: Device, run: RunState): Promise<string | undefined> {
  const { health, healthTimeoutMs } = device.options;
  if (health === undefined) return undefined;
  return checkHealth({
    command: health,
    image: slotPath(device.paths, run.slot),
    timeoutMs: healthTimeoutMs,
    signal: device.signal,
  });
}

async function keep(device: Device, run: RunState): Promise<ResultEvent> {
  const { decision, cost } = run;
  const to = decision.target.digest;
  await device.report(decision, { type: 'healthy', plan: run.plan, bytes: cost?.bytes });
  const slots = { ...device.state.value.slots };
  if (device.options.keep === 1 && run.previous !== undefined) {
    Reflect.deleteProperty(slots, run.previous);
  }
  await device.state.change({
    run: { ...run, phase: 'healthy' },
    slots,
    last: { outcome: 'updated', atMs: device.clock(), from: decision.from, to },
  });
  await emptyFetch(device.paths);
  if (device.options.keep === 1 && run.previous !== undefined) {
    await removeDurable(slotPath(device.paths, run.previous));
  }
  return result(run, { outcome: 'updated', from: decision.from, to });
}

async function goBack(device: Device, run: RunState, why: string): Promise<ResultEvent> {
  const { decision, previous } = run;
  const failed = decision.target.digest;
  const { slots, refused } = device.state.value;
  const to = previous === undefined ? undefined : (slots[previous]?.digest ?? decision.from);
  await switchCurrent(device.paths, previous);
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
  return result(run, { outcome: 'rolled_back', from: failed, to, reason: why });
}

function result(
  run: RunState,
  end: Pick<ResultEvent, 'outcome' | 'from' | 'to' | 'reason'>,
): ResultEvent {
  const { cost } = run;
  return {
    event: 'result',
    ...end,
    plan: run.plan,
    bytes: cost?.bytes ?? 0,
    fetchMs: cost?.fetchMs ?? 0,
    applyMs: cost?.applyMs ?? 0,
    resumedAt: cost?.resumedAt,
  };
}
