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
import { smaller } from './try-plan.ts';
import { downloadBeginsMs, windowOpensMs } from './waits.ts';

/** Why nothing was done, and when to come back. */
interface Why {
  readonly reason: string;
  readonly retryAfterSeconds?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** A handshake, a check, its answer, and a report. */
const CHECK_BYTES = 10_240;

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
  if (options.retry) {
    await device.state.change({ refused: [] });
    device.budget.forget();
  }
  try {
    const result = await advance(device);
    await device.sendReports();
    return result;
  } catch (error) {
    const fault = toDeviceError(error, 'the update');
    await recordFailure(device, fault);
    if (fault.code !== 'aborted' && !isNoLink(fault)) await device.sendReports();
    throw fault;
  }
}

async function advance(device: Device): Promise<ResultEvent> {
  const held = device.state.value.run;
  if (held?.phase === 'activated') return activateNow(device);
  const isHeld = held?.phase === 'verified';
  if (isHeld && windowOpensMs(device, held.decision) === undefined) return activateNow(device);
  const current = await currentSlot(device.paths);
  const base = current === undefined ? undefined : await readBase(device, current);
  const short = await checkQuota(device);
  if (short !== undefined) return waitFor(device, base, 'quota', short);
  const answer = await ask(device, base?.image.manifest.digest);
  if (answer.kind === 'none') {
    if (isHeld && answer.reason !== 'up_to_date') return holdBack(device, base, held.decision);
    // A release that was withdrawn while it waited for its window is not activated any more.
    if (isHeld) await device.state.change({ run: undefined });
    const outcome = answer.reason === 'up_to_date' ? 'up_to_date' : 'waiting';
    const { reason, retryAfterSeconds } = answer;
    return idle(device, base, outcome, { reason, retryAfterSeconds });
  }
  const { decision } = answer;
  const { digest } = decision.target;
  if (digest === base?.image.manifest.digest) {
    return idle(device, base, 'up_to_date', { reason: 'up_to_date' });
  }
  if (device.state.value.refused.includes(digest)) {
    return idle(device, base, 'waiting', { reason: 'failed_before' });
  }
  if (isHeld && held.decision.target.digest === digest) {
    await device.state.change({ run: { ...held, decision } });
    return holdBack(device, base, decision);
  }
  const beginsMs = downloadBeginsMs(device, decision, answer.serverMs);
  if (beginsMs !== undefined) return waitFor(device, base, 'not_before', beginsMs);
  const run: RunState = {
    decision,
    phase: 'checked',
    slot: otherSlot(current),
    previous: current,
  };
  await device.state.change({ run });
  const plans = decision.plans.map((plan) => plan.kind);
  device.output.emit({ event: 'checked', target: digest, plans });
  device.budget.begin(digest, ceilingOf(device, decision));
  try {
    await carryOut(device, run, base);
  } catch (error) {
    if (!(error instanceof DeviceError) || error.code !== 'quota') throw error;
    return waitFor(device, base, 'quota', untilOf(error));
  }
  return holdBack(device, base, decision);
}

/** Activates what is verified, or waits for the window to open. */
async function holdBack(
  device: Device,
  base: SlotImage | undefined,
  decision: Decision,
): Promise<ResultEvent> {
  const opensMs = windowOpensMs(device, decision);
  if (opensMs === undefined) return activateNow(device);
  return waitFor(device, base, 'window_closed', opensMs);
}

async function activateNow(device: Device): Promise<ResultEvent> {
  const result = await activate(device);
  if (result.outcome === 'updated' && result.to !== undefined) device.budget.forget(result.to);
  return result;
}

/** Until when not even a check fits into the quota; undefined when one does. */
async function checkQuota(device: Device): Promise<number | undefined> {
  try {
    await device.budget.cover(CHECK_BYTES);
    return undefined;
  } catch (error) {
    if (!(error instanceof DeviceError) || error.code !== 'quota') throw error;
    return untilOf(error);
  }
}

function untilOf(error: DeviceError): number {
  const { untilMs } = error.detail;
  if (typeof untilMs !== 'number') throw error;
  return untilMs;
}

/** What the release may cost on the wire: the smaller of the decision's word and the device's own. */
function ceilingOf(device: Device, decision: Decision): number | undefined {
  const bytes = smaller(device.options.maxBytes, decision.maxBytes ?? 0);
  return bytes === 0 ? undefined : bytes;
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
    if (!(error instanceof DeviceError) || !isNoLink(error)) throw error;
    if (decision === undefined) throw error;
    device.warn(`${error.message}; going on with decision ${decision.id}`);
    return { kind: 'update', decision };
  }
}

function isNoLink({ code }: DeviceError): boolean {
  return code === 'unreachable' || code === 'captive_portal';
}

function unfinished(device: Device, current: Digest | undefined): Decision | undefined {
  const { run } = device.state.value;
  if (run === undefined || run.decision.from !== current) return undefined;
  if (run.phase === 'verified') return run.decision;
  const open = run.phase === 'checked' || run.phase === 'downloading' || run.phase === 'applying';
  return open && device.clock() < run.decision.expiresMs ? run.decision : undefined;
}

function waitFor(
  device: Device,
  base: SlotImage | undefined,
  reason: 'quota' | 'not_before' | 'window_closed',
  untilMs: number,
): Promise<ResultEvent> {
  const retryAfterSeconds = Math.max(1, Math.ceil((untilMs - device.clock()) / 1000));
  return idle(device, base, 'waiting', { reason, retryAfterSeconds, untilMs });
}

async function idle(
  device: Device,
  base: SlotImage | undefined,
  outcome: Extract<Outcome, 'up_to_date' | 'waiting'>,
  why: Why,
): Promise<ResultEvent> {
  const digest = base?.image.manifest.digest;
  const { reason, retryAfterSeconds, untilMs } = why;
  const last: LastResult = {
    outcome,
    atMs: device.clock(),
    from: digest,
    to: digest,
    ...(outcome === 'waiting' ? { code: reason, untilMs } : {}),
  };
  await device.state.change({ last });
  if (outcome === 'up_to_date') {
    if (digest !== undefined) device.budget.forget(digest);
    await emptyFetch(device.paths);
  }
  return {
    event: 'result',
    outcome,
    from: digest,
    to: digest,
    bytes: 0,
    fetchMs: 0,
    applyMs: 0,
    ...(outcome === 'waiting' ? { reason, untilMs } : {}),
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
