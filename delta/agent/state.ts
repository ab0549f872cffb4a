import type { Digest } from '../../storage/digest.ts';
import { readSmall, renameDurable, writeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { JsonReader } from './json.ts';
import { parseDecision, PLAN_KINDS } from './decision.ts';
import type { Decision, PlanKind } from './protocol.ts';
import type { SlotName } from './paths.ts';

/** How far the newest decision has come. Each is durable before the step after it begins. */
export const PHASES = [
  'checked',
  'downloading',
  'applying',
  'verified',
  'activated',
  'healthy',
  'rolled_back',
] as const;
export type Phase = (typeof PHASES)[number];

export const OUTCOMES = [
  'updated',
  'up_to_date',
  'waiting',
  'pending_reboot',
  'repaired',
  'rolled_back',
  'failed',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What a release cost to get here. */
export interface Cost {
  /** Of bodies. */
  readonly bytes: number;
  /** The same with heads, TLS and tries that failed; absent from older agents' records. */
  readonly wireBytes?: number | undefined;
  readonly fetchMs: number;
  readonly applyMs: number;
  readonly resumedAt?: number | undefined;
}

/** One decision on its way. */
export interface RunState {
  readonly decision: Decision;
  readonly phase: Phase;
  /** The plan that is tried, or that worked. */
  readonly plan?: PlanKind | undefined;
  /** Known once the release is verified. */
  readonly cost?: Cost | undefined;
  /** The slot that the release goes to. */
  readonly slot: SlotName;
  /** The slot to go back to; absent on a first install. */
  readonly previous?: SlotName | undefined;
  /** Set before the switch back, so that a crash in between is finished as one. */
  readonly unhealthy?: string | undefined;
  /** Set at the switch when the release proves itself only after a reboot. */
  readonly boot?: BootCount | undefined;
}

/** Boots of a release that waits to be confirmed. */
export interface BootCount {
  /** The boot of the switch, or the one that was counted last (the kernel's random boot_id). */
  readonly id: string;
  /** Boots into the release that were counted. */
  readonly attempts: number;
}

/** What a slot was proved to hold. */
export interface SlotRecord {
  readonly digest: Digest;
  readonly verifiedMs: number;
  /** It has not run yet, or was not found healthy: nobody goes back to it. */
  readonly isUnproved?: boolean | undefined;
}

export interface LastResult {
  readonly outcome: Outcome;
  readonly atMs: number;
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  /** A stable code: why it waits, failed or went back. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  /** Until when it waits, if that is known. */
  readonly untilMs?: number | undefined;
}

export interface DeviceState {
  readonly run?: RunState | undefined;
  readonly slots: Readonly<Partial<Record<SlotName, SlotRecord>>>;
  /** Set while an operator's `rollback` is on its way: the release to go to. */
  readonly restore?: Digest | undefined;
  /** When `current` was switched last. */
  readonly activatedMs?: number | undefined;
  /** Releases that proved unhealthy here, newest last; they are not tried again. */
  readonly refused: readonly Digest[];
  readonly last?: LastResult | undefined;
}

const SLOTS: readonly SlotName[] = ['a', 'b'];
const VERSION = 1;
const MAX_STATE_BYTES = 4 * 1024 * 1024;
export const MAX_REFUSED = 8;

export const EMPTY_STATE: DeviceState = { slots: {}, refused: [] };

/** The state as last written; empty before the first run, `state_corrupt` when it is damaged. */
export async function readState(path: string): Promise<DeviceState> {
  const bytes = await readSmall(path, MAX_STATE_BYTES);
  if (bytes === undefined) return EMPTY_STATE;
  const reader = JsonReader.parse(bytes, path, 'state_corrupt');
  if (reader.count('version') !== VERSION) {
    throw new DeviceError('state_corrupt', `${path} is of another version of the agent`);
  }
  const slots = reader.object('slots');
  return {
    run: reader.has('run') ? parseRun(reader.object('run')) : undefined,
    slots: {
      ...(slots.has('a') ? { a: parseRecord(slots.object('a')) } : {}),
      ...(slots.has('b') ? { b: parseRecord(slots.object('b')) } : {}),
    },
    restore: reader.has('restore') ? reader.digest('restore') : undefined,
    activatedMs: reader.has('activatedMs') ? reader.count('activatedMs') : undefined,
    refused: reader.digests('refused', MAX_REFUSED),
    last: reader.has('last') ? parseLast(reader.object('last')) : undefined,
  };
}

export async function writeState(path: string, state: DeviceState): Promise<void> {
  await writeDurable(path, `${JSON.stringify({ version: VERSION, ...state }, null, 1)}\n`);
}

function parseRun(reader: JsonReader): RunState {
  return {
    decision: parseDecision(reader.object('decision')),
    phase: reader.oneOf('phase', PHASES),
    plan: reader.has('plan') ? reader.oneOf('plan', PLAN_KINDS) : undefined,
    cost: reader.has('cost') ? parseCost(reader.object('cost')) : undefined,
    slot: reader.oneOf('slot', SLOTS),
    previous: reader.has('previous') ? reader.oneOf('previous', SLOTS) : undefined,
    unhealthy: optional(reader, 'unhealthy'),
    boot: reader.has('boot') ? parseBoot(reader.object('boot')) : undefined,
  };
}

function parseCost(reader: JsonReader): Cost {
  return {
    bytes: reader.count('bytes'),
    wireBytes: reader.has('wireBytes') ? reader.count('wireBytes') : undefined,
    fetchMs: reader.count('fetchMs'),
    applyMs: reader.count('applyMs'),
    resumedAt: reader.has('resumedAt') ? reader.count('resumedAt') : undefined,
  };
}

function parseBoot(reader: JsonReader): BootCount {
  return { id: reader.string('id', 128), attempts: reader.count('attempts') };
}

function parseRecord(reader: JsonReader): SlotRecord {
  return {
    digest: reader.digest('digest'),
    verifiedMs: reader.count('verifiedMs'),
    ...(reader.has('isUnproved') ? { isUnproved: true } : {}),
  };
}

function parseLast(reader: JsonReader): LastResult {
  return {
    outcome: reader.oneOf('outcome', OUTCOMES),
    atMs: reader.count('atMs'),
    from: reader.has('from') ? reader.digest('from') : undefined,
    to: reader.has('to') ? reader.digest('to') : undefined,
    code: optional(reader, 'code'),
    message: optional(reader, 'message'),
    untilMs: reader.has('untilMs') ? reader.count('untilMs') : undefined,
  };
}

function optional(reader: JsonReader, key: string): string | undefined {
  return reader.has(key) ? reader.string(key, 8192) : undefined;
}

/** The state on disk and in memory; every change is durable before it returns. */
export class StateFile {
  readonly #path: string;
  #state: DeviceState;

  private constructor(path: string, state: DeviceState) {
    this.#path = path;
    this.#state = state;
  }

  /**
   * Opens the state. A damaged file is put aside, as `<path>.corrupt`, and the state begins anew:
   * `current` and the slots tell what runs, and an agent that refuses to work can't be repaired from
   * afar.
   */
  static async open(path: string, onWarning: (message: string) => void): Promise<StateFile> {
    try {
      return new StateFile(path, await readState(path));
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      await renameDurable(path, `${path}.corrupt`);
      onWarning(`${error.message}; it is kept as ${path}.corrupt and the state begins anew`);
      return new StateFile(path, EMPTY_STATE);
    }
  }

  get value(): DeviceState {
    return this.#state;
  }

  async change(patch: Partial<DeviceState>): Promise<void> {
    const state = { ...this.#state, ...patch };
    await writeState(this.#path, state);
    this.#state = state;
  }
}
