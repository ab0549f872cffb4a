import type { Device } from './device.ts';
import { Fetcher } from './fetcher.ts';
import { indexesOf } from './layer-index.ts';
import type { LayerFinder } from './layer-finder.ts';
import { checkMemory } from './memory.ts';
import { Pacer, type Meter } from './meter.ts';
import { slotPath } from './paths.ts';
import { fetchChunks } from './plan-chunks.ts';
import { fetchDelta } from './plan-delta.ts';
import { fetchFull } from './plan-full.ts';
import type { FetchedPlan, PlanEnv } from './plan.ts';
import type { Plan } from './protocol.ts';
import type { SlotImage } from './slot.ts';
import { SlotWriter } from './slot-writer.ts';
import { checkSpace, ownBytes, SpaceGuard } from './space.ts';
import type { RunState } from './state.ts';

/** One decision and what its plans share. */
export interface Work {
  readonly device: Device;
  readonly run: RunState;
  readonly base: SlotImage | undefined;
  readonly layers: LayerFinder;
  readonly meter: Meter;
}

/** Carries out one plan: fetch, apply, verify. On return the state says `verified`. */
export async function tryPlan(work: Work, plan: Plan): Promise<void> {
  const { device, meter } = work;
  const { clock, state } = device;
  const run: RunState = { ...work.run, plan: plan.kind };
  const bytesBefore = meter.total;
  const startMs = clock();
  await checkMemory(plan, device.options.maxRamBytes);
  await state.change({ run: { ...run, phase: 'downloading' } });
  await device.report(run.decision, { type: 'downloading', plan: plan.kind });
  const space = new SpaceGuard(device.paths.root, device.options.minFreeBytes);
  const fetched = await fetchPlan(plan, planEnv(work, plan, space));
  const fetchedMs = clock();
  try {
    await applyPlan(work, run, fetched);
  } finally {
    await fetched.close();
  }
  const applyMs = clock() - fetchedMs;
  const { digest } = run.decision.target;
  const cost = {
    bytes: meter.total,
    wireBytes: device.budget.targetBytes,
    fetchMs: fetchedMs - startMs,
    applyMs,
    resumedAt: meter.resumedAt,
  };
  const bytes = meter.total - bytesBefore;
  const { wireBytes } = cost;
  await device.report(run.decision, { type: 'applied', plan: plan.kind, bytes, wireBytes });
  await state.change({
    run: { ...run, phase: 'verified', cost },
    slots: { ...state.value.slots, [run.slot]: { digest, verifiedMs: clock(), isUnproved: true } },
  });
  device.output.emit({ event: 'applied', plan: plan.kind, applyMs });
}

function fetchPlan(plan: Plan, env: PlanEnv): Promise<FetchedPlan> {
  switch (plan.kind) {
    case 'delta':
      return fetchDelta(plan, env);
    case 'chunks':
      return fetchChunks(plan, env);
    case 'full':
      return fetchFull(env);
  }
}

/** From here on the target slot is no release until the new one is whole in it. */
async function applyPlan(work: Work, run: RunState, fetched: FetchedPlan): Promise<void> {
  const { device, layers } = work;
  const { paths, state, options, signal } = device;
  const slots = { ...state.value.slots };
  Reflect.deleteProperty(slots, run.slot);
  await state.change({ run: { ...run, phase: 'applying' }, slots });
  const path = slotPath(paths, run.slot);
  const writer = await SlotWriter.prepare(path, fetched.image, layers, signal);
  const needed = Math.max(0, fetched.outputBytes - (await ownBytes(path)));
  await checkSpace(paths.root, needed, options.minFreeBytes, 'the new release');
  await fetched.apply(writer);
  await writer.finish(options.channel, indexesOf(run.decision));
}

function planEnv(work: Work, plan: Plan, space: SpaceGuard): PlanEnv {
  const { device, run, meter } = work;
  const { output, options, paths, budget } = device;
  let done = 0;
  const fetcher = new Fetcher({
    ...device,
    meter,
    space,
    pacer: new Pacer(smaller(options.maxBps, run.decision.maxBps ?? 0), device.clock),
    bases: blobBases(device, run),
    onBytes: (bytes) => {
      done += bytes;
      output.emit({ event: 'fetch', plan: plan.kind, done, total: Math.max(done, plan.size) });
    },
    onResume: (digest, at) => {
      output.emit({ event: 'resumed', digest, at });
    },
  });
  return {
    ...work,
    paths,
    decision: run.decision,
    fetcher,
    signal: device.signal,
    space,
    buffers: device.buffers,
    need: async ({ diskBytes, fetchBytes, requests }) => {
      budget.plan(fetchBytes, requests);
      const here = await ownBytes(paths.fetch);
      const reclaimed = await ownBytes(slotPath(paths, run.slot));
      const needed = Math.max(0, diskBytes - here - reclaimed);
      await checkSpace(paths.root, needed, options.minFreeBytes, `the ${plan.kind} plan`);
    },
    onApply: (applied, total) => {
      output.emit({ event: 'apply', plan: plan.kind, done: applied, total });
    },
  };
}

/** Of two limits where 0 is none. */
export function smaller(one: number, other: number): number {
  return one === 0 || other === 0 ? one + other : Math.min(one, other);
}

/** Where blobs come from: the decision's servers, or those that were asked. */
function blobBases(device: Device, run: RunState): readonly string[] {
  const { blobs } = run.decision;
  return blobs.length > 0 ? blobs : device.options.servers.map((server) => `${server}/v1/blobs/`);
}
