// Old bytes as they would look at a new place (CODING.md, "Old bytes beside literals").

import { fieldAt, keyOf } from './field-prediction.ts';
import { putField } from './fields.ts';
import { fieldBytes, isStep, type Ref } from './kinds.ts';
import type { Pair } from './pair.ts';
import type { Targets } from './targets.ts';

/** Instead of a byte: there is none. */
export const NO_BYTE = 256;

export class OldView {
  readonly #pair: Pair;
  readonly #targets: Targets;

  constructor(pair: Pair, targets: Targets) {
    this.#pair = pair;
    this.#targets = targets;
  }

  get oldBytes(): number {
    return this.#pair.old.length;
  }

  /** The old byte as it is; 0 after the last. */
  plain(old: number): number {
    return old < this.oldBytes ? this.#pair.old.u8(old) : 0;
  }

  /** The old byte for new place `at`: inside a reference, that of the reference predicted there. */
  byte(old: number, at: number): number {
    if (old >= this.oldBytes) return NO_BYTE;
    const ref = this.#pair.references.covering(old);
    if (!ref || isStep(ref.kind)) return this.#pair.old.u8(old);
    const inside = old - ref.offset;
    return this.#predict(ref, at - inside)[inside] ?? 0;
  }

  #predict(ref: Ref, at: number): Uint8Array {
    const bytes = this.#pair.old.copy(ref.offset, fieldBytes(ref.kind));
    const { target } = this.#targets.predict(keyOf(ref));
    putField(bytes, 0, fieldAt(this.#pair, ref, at), target, this.#pair.fresh);
    return bytes.array;
  }
}
