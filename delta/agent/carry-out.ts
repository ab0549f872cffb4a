import { DeviceError, toDeviceError } from './errors.ts';
import type { Device } from './device.ts';
import { removeDurable } from './durable.ts';
import { LayerFinder } from './layer-finder.ts';
import { Meter } from './meter.ts';
import { slotPath } from './paths.ts';
import type { Plan } from './protocol.ts';
import type { SlotImage } from './slot.ts';
import type { RunState } from './state.ts';
import { tryPlan, type Work } from './try-plan.ts';

/**
 * Tries the decision's plans in order until the target slot holds the verified target. A plan whose
 * bytes or base are bad gives way to the next, with a report; a silent network, a full disk or a stop
 * end the run instead, for no other plan would do better, and it goes on with the next one.
 */
export async function carryOut(
  device: Device,
  run: RunState,
  base: SlotImage | undefined,
): Promise<void> {
  const target = slotPath(device.paths, run.slot);
  const layers = new LayerFinder(base === undefined ? [target] : [base.path, target]);
  const work: Work = { device, run, base, layers, meter: new Meter() };
  const reasons: string[] = [];
  for (const plan of run.decision.plans) {
    const bytesBefore = work.meter.total;
    try {
      await tryPlan(work, plan);
      return;
    } catch (error) {
      const fault = toDeviceError(error, `plan ${plan.kind}`);
      if (fault.code === 'no_space') await removeHalfSlot(device, run);
      await reportFailure(device, run, plan, fault, work.meter.total - bytesBefore);
      if (endsTheRun(fault)) throw fault;
      reasons.push(`${plan.kind}: ${fault.code}`);
    }
  }
  throw new DeviceError(
    'no_plan_worked',
    `no plan leads to ${run.decision.target.digest} (${reasons.join(', ') || 'none was offered'}); what runs is unchanged`,
  );
}

async function reportFailure(
  device: Device,
  run: RunState,
  plan: Plan,
  fault: DeviceError,
  bytes: number,
): Promise<void> {
  const { code, message } = fault;
  if (code === 'aborted') return;
  device.output.emit({ event: 'plan_failed', plan: plan.kind, code, message });
  await device.report(run.decision, { type: 'failed', plan: plan.kind, bytes, code, message });
}

function endsTheRun(fault: DeviceError): boolean {
  switch (fault.code) {
    case 'aborted':
    case 'no_space':
    case 'io':
    case 'unreachable':
      return true;
    default:
      return false;
  }
}

/** Gives the disk back what the unfinished release took, so that state and report can be written. */
async function removeHalfSlot(device: Device, run: RunState): Promise<void> {
  if (device.state.value.run?.phase !== 'applying') return;
  await removeDurable(slotPath(device.paths, run.slot));
}
