import type { Digest } from '../../storage/digest.ts';
import { activate } from './activate.ts';
import { carryOut } from './carry-out.ts';
import { check, type CheckAnswer } from './check.ts';
import type { Device } from './device.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import type { ResultEvent } from './output.ts';
import { emptyFetch } from './fetcher.ts';
import { otherSlot } from './paths.ts';
import type { Decision } from './protocol.ts';
import { currentSlot, readSlot, type SlotImage } from './slot.ts';
import { freeBytes } from './space.ts';
import type { LastResult, Outcome, RunState } from './state.ts';

/**
 * One update run: sends what was queued, finishes what an earlier run left, asks, carries out,
 * activates, reports. Safe to kill at any point and to run again. Throws a `DeviceError` when the
 * release could not be reached; what runs is then unchanged.
 */
export async function update(
  device: Device,
  options: { readonly retry: boolean },
): Promise<ResultEvent> {
  await device.sendReports();
  if (options.retry) await device.state.change({ refused: [] });
  try {
    const result = await advance(device);
    await device.sendReports();
    return result;
  } catch (error) {
    const fault = toDeviceError(error, 'the update');
    await recordFailure(device, fault);
    if (fault.code !== 'aborted' && fault.code !== 'unreachable') await device.sendReports();
    throw fault;
  }
}

async function advance(device: Device): Promise<ResultEvent> {
  const phase = device.state.value.run?.phase;
  if (phase === 'verified' || phase === 'activated') return activate(device);
  const current = await currentSlot(device.paths);
  const base = current === undefined ? undefined : await readBase(device, current);
  const answer = await ask(device, base?.image.manifest.digest);
  if (answer.kind === 'none') {
    const outcome = answer.reason === 'up_to_date' ? 'up_to_date' : 'waiting';
    return idle(device, base, outcome, answer.reason, answer.retryAfterSeconds);
  }
  const { decision } = answer;
  const { digest } = decision.target;
  if (digest === base?.image.manifest.digest) {
    return idle(device, base, 'up_to_date', 'up_to_date', undefined);
  }
  if (device.state.value.refused.includes(digest)) {
    return idle(device, base, 'waiting', 'failed_before', undefined);
  }
  const run: RunState = {
    decision,
    phase: 'checked',
    slot: otherSlot(current),
    previous: current,
  };
  await device.state.change({ run });
  const plans = decision.plans.map((plan) => plan.kind);
  device.output.emit({ event: 'checked', target: digest, plans });
  await carryOut(device, run, base);
  return activate(device);
}

/** What runs, or undefined when its documents are damaged: then a plan without base repairs it. */
async function readBase(device: Device, slot: 'a' | 'b'): Promise<SlotImage | undefined> {
  try {
    return await readSlot(device.paths, slot);
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    device.warn(`slot ${slot} is damaged: ${error.message}; installing anew`);
    return undefined;
  }
}

/** Asks the servers; when none answers, an unfinished decision that still holds is gone on with. */
async function ask(device: Device, current: Digest | undefined): Promise<CheckAnswer> {
  const { options, http, signal, paths, state } = device;
  const facts = {
    current,
    freeBytes: await freeBytes(paths.root),
    lastResult: state.value.last?.code ?? state.value.last?.outcome,
  };
  try {
    return await check(options, facts, http, signal);
  } catch (error) {
    const decision = unfinished(device, current);
    if (!(error instanceof DeviceError) || error.code !== 'unreachable') throw error;
    if (decision === undefined) throw error;
    device.warn(`${error.message}; going on with decision ${decision.id}`);
    return { kind: 'update', decision };
  }
}

function unfinished(device: Device, current: Digest | undefined): Decision | undefined {
  const { run } = device.state.value;
  if (run === undefined || run.decision.from !== current) return undefined;
  const open = run.phase === 'checked' || run.phase === 'downloading' || run.phase === 'applying';
  return open && device.clock() < run.decision.expiresMs ? run.decision : undefined;
}

async function idle(
  device: Device,
  base: SlotImage | undefined,
  outcome: Extract<Outcome, 'up_to_date' | 'waiting'>,
  reason: string,
  retryAfterSeconds: number | undefined,
): Promise<ResultEvent> {
  const digest = base?.image.manifest.digest;
  const last: LastResult = {
    outcome,
    atMs: device.clock(),
    from: digest,
    to: digest,
    ...(outcome === 'waiting' ? { code: reason } : {}),
  };
  await device.state.change({ last });
  if (outcome === 'up_to_date') await emptyFetch(device.paths);
  return {
    event: 'result',
    outcome,
    from: digest,
    to: digest,
    bytes: 0,
    fetchMs: 0,
    applyMs: 0,
    ...(outcome === 'waiting' ? { reason } : {}),
    retryAfterSeconds,
  };
}

async function recordFailure(device: Device, fault: DeviceError): Promise<void> {
  const { run } = device.state.value;
  const last: LastResult = {
    outcome: 'failed',
    atMs: device.clock(),
    from: run?.decision.from,
    to: run?.decision.target.digest,
    code: fault.code,
    message: fault.message.slice(0, 4000),
  };
  try {
    await device.state.change({ last });
  } catch (error) {
    device.warn(`the failure is not recorded: ${toDeviceError(error, device.paths.state).message}`);
  }
}
