import type { Random } from './random.ts';

/** What is given hostile input. */
export interface Target {
  readonly name: string;
  /** Its part of all executions. */
  readonly weight: number;
  /** Makes the right inputs that hostile ones are made of; called once in a thread. */
  open(): Promise<Execute>;
}

/** Takes the hostile bytes of an execution, before they are used: a finding is written with them. */
export type Keep = (name: string, bytes: Uint8Array) => void;

/**
 * One execution. Ends, or throws a coded error (`CodedError`) for input that it refuses; anything else is a
 * finding.
 */
export type Execute = (random: Random, keep: Keep) => Promise<void>;

/** Input that was accepted gave something wrong. */
export class Wrong extends Error {}
