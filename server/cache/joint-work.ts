/** Work that is done once for all who want its result meanwhile. Nobody's leaving ends it. */
export class JointWork<T> {
  readonly #running = new Map<string, Promise<T>>();

  do(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const begun = work().finally(() => {
      this.#running.delete(key);
    });
    this.#running.set(key, begun);
    return begun;
  }
}
