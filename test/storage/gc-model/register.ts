/** A point in the run; points of one clock reading still come one after another. */
export interface Moment {
  readonly order: number;
  readonly ms: number;
}

/** A value that is sure, and what is known of how it came. */
export interface Sure<T> {
  readonly is: T;
  /** The value was another before this moment; undefined when nobody knows since when it is this one. */
  readonly since?: Moment | undefined;
  /** The value before, when that was sure too. */
  readonly before?: { readonly is: T } | undefined;
}

/**
 * A value that operations change, as their clients know it: sure once one was acknowledged during which
 * no other was on its way, and until the next one begins.
 */
export class Register<T> {
  readonly #moment: () => Moment;
  #value: Sure<T> | undefined;
  #writers = 0;
  #epoch = 0;
  #changedBefore = 0;

  /** `initial` is sure before anybody has written. */
  constructor(initial: T, moment: () => Moment) {
    this.#moment = moment;
    this.#value = { is: initial };
  }

  /** Undefined while it is not sure. */
  get sure(): Sure<T> | undefined {
    return this.#value;
  }

  /** Not changed from that moment on; endless while an operation is on its way. */
  get changedBefore(): number {
    return this.#writers > 0 ? Infinity : this.#changedBefore;
  }

  /** A write begins; the caller ends it with its value, or with nothing when it failed or died. */
  write(): (value: { readonly is: T } | undefined) => void {
    const old = this.#value;
    const begun = this.#moment();
    this.#value = undefined;
    this.#writers += 1;
    this.#epoch += 1;
    const epoch = this.#epoch;
    return (value) => {
      this.#writers -= 1;
      const alone = this.#writers === 0 && this.#epoch === epoch;
      this.#epoch += 1;
      const isSame = alone && value !== undefined && old?.is === value.is;
      if (!isSame) this.#changedBefore = this.#moment().order;
      if (!alone || value === undefined) this.#value = undefined;
      else if (old?.is === value.is) this.#value = old;
      else this.#value = { is: value.is, ...(old && { since: begun, before: { is: old.is } }) };
    };
  }
}
