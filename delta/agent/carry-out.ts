import { DeviceError, toDeviceError } from './errors.ts';
import type { Device } from './device.ts';
import { removeDurable } from './durable.ts';
import { Meter } from './meter.ts';
import { slotPath } from './paths.ts';
import type { Decision, Plan } from './protocol.ts';
import type { SlotImage } from './slot.ts';
import type { RunState } from './state.ts';
import { askHook } from './hooks.ts';
import { findLayers, makeWay, tryWithMeans } from './means.ts';
import type { Work } from './try-plan.ts';

/**
 * Tries the decision's plans in order until the target slot holds the verified target. A plan whose
 * bytes or base are bad, or that takes more than the device has or may spend, gives way to the next,
 * with a report; a silent network, a disk that fills up, a quota or a stop end the run instead, for no
 * other plan would do better, and it goes on with the next one.
 */
export async function carryOut(
  device: Device,
  run: RunState,
  base: SlotImage | undefined,
): Promise<void> {
  const { from, target } = run.decision;
  const facts = { slot: run.slot, from, to: target.digest, reason: 'update' } as const;
  await askHook(device, 'pre-install', facts);
  await makeWay(device, run);
  const work: Work = { device, run, base, layers: await findLayers(device), meter: new Meter() };
  const faults: DeviceError[] = [];
  const reasons: string[] = [];
  for (const plan of allowedPlans(device, run.decision)) {
    const bytesBefore = work.meter.total;
    try {
      await tryWithMeans(work, plan);
      return;
    } catch (error) {
      const fault = toDeviceError(error, `plan ${plan.kind}`);
      if (fault.code === 'no_space') await removeHalfSlot(device, run);
      await reportFailure(device, run, plan, fault, work.meter.total - bytesBefore);
      if (endsTheRun(fault)) throw fault;
      faults.push(fault);
      reasons.push(`${plan.kind}: ${fault.code}`);
    }
  }
  const wanting = faults.find(({ code }) => code === 'byte_ceiling' || code === 'no_space');
  if (wanting !== undefined) throw wanting;
  throw new DeviceError(
    'no_plan_worked',
    `no plan leads to ${run.decision.target.digest} (${reasons.join(', ') || 'none was offered'}); what runs is unchanged`,
  );
}

/** On a metered link an image is not pulled whole unless the decision says so or nothing runs yet. */
function allowedPlans(device: Device, decision: Decision): readonly Plan[] {
  const { plans, from, meteredFull } = decision;
  const mayPullAll = !device.options.metered || meteredFull === true || from === undefined;
  return plans.filter(({ kind }) => kind !== 'full' || mayPullAll);
}

async function reportFailure(
  device: Device,
  run: RunState,
  plan: Plan,
  fault: DeviceError,
  bytes: number,
): Promise<void> {
  const { code, message } = fault;
  if (code === 'aborted' || code === 'quota') return;
  device.output.emit({ event: 'plan_failed', plan: plan.kind, code, message });
  const wireBytes = device.budget.targetBytes;
  const event = { type: 'failed', plan: plan.kind, bytes, wireBytes, code, message } as const;
  await device.report(run.decision, event);
}

function endsTheRun(fault: DeviceError): boolean {
  switch (fault.code) {
    case 'aborted':
    case 'quota':
    case 'io':
    case 'unreachable':
      return true;
    case 'no_space':
      // What only will not fit may fit by another plan.
      return fault.detail['isForecast'] !== true;
    default:
      return false;
  }
}

/** Gives the disk back what the unfinished release took, so that state and report can be written. */
async function removeHalfSlot(device: Device, run: RunState): Promise<void> {
  if (device.state.value.run?.phase !== 'applying') return;
  await removeDurable(slotPath(device.paths, run.slot));
}
