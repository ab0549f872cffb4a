import type { Digest } from '../../../storage/digest.ts';
import type { SlotImage } from '../slot.ts';
import { abTarget } from './ab.ts';
import { fileTarget } from './file.ts';
import { rootfsTarget } from './rootfs.ts';
import { parseTargetSpec } from './spec.ts';

/** How a release in a slot becomes what the machine uses. Every step may be repeated after a crash. */
export interface Target {
  /** Makes all of the release ready beside what runs, durable and checked. */
  prepare(release: SlotImage): Promise<void>;
  /** Switches to what `prepare` made, in one step. */
  activate(release: SlotImage): Promise<void>;
  /** Goes back to what was there before the first release. */
  leave(): Promise<void>;
  /** Drops what was made of other releases than these. */
  prune(keep: ReadonlySet<Digest>): Promise<void>;
}

export interface TargetEnv {
  /** Bytes that stay free on a disk that is written to. */
  readonly minFreeBytes: number;
  readonly signal: AbortSignal;
}

/** The target that a `--target` names. */
export function openTarget(text: string, env: TargetEnv): Target {
  const spec = parseTargetSpec(text);
  switch (spec.kind) {
    case 'layout':
      return LAYOUT;
    case 'rootfs':
      return rootfsTarget(spec.path, env);
    case 'file':
      return fileTarget(spec.path, env);
    case 'ab':
      return abTarget(spec, env);
  }
}

/** The slot itself is what the machine uses: `current` is its switch. */
const LAYOUT: Target = {
  prepare: () => Promise.resolve(),
  activate: () => Promise.resolve(),
  leave: () => Promise.resolve(),
  prune: () => Promise.resolve(),
};
