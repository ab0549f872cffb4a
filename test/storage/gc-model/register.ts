/**
 * A value that operations change, as their clients know it: sure once one was acknowledged during which
 * no other was on its way, and until the next one begins.
 */
export class Register<T> {
  #value: { readonly is: T } | undefined;
  #writers = 0;
  #epoch = 0;

  /** `initial` is sure before anybody has written. */
  constructor(initial: { readonly is: T } | undefined) {
    this.#value = initial;
  }

  /** Undefined while it is not sure. */
  get sure(): { readonly is: T } | undefined {
    return this.#value;
  }

  /** A write begins; the caller ends it with its value, or with nothing when it failed or died. */
  write(): (value: { readonly is: T } | undefined) => void {
    this.#value = undefined;
    this.#writers += 1;
    this.#epoch += 1;
    const begun = this.#epoch;
    return (value) => {
      this.#writers -= 1;
      const alone = this.#writers === 0 && this.#epoch === begun;
      this.#value = alone ? value : undefined;
      this.#epoch += 1;
    };
  }
}
