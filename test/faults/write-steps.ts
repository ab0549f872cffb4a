import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ByteSource, ObjectStore } from '../../storage/object-store.ts';

/** What a process that is no more throws: nobody catches it but the test. */
export class Struck extends Error {}

/** Catalog methods that write: the moments before and after each are steps. */
const WRITES: ReadonlySet<string | symbol> = new Set([
  ...['linkBlob', 'unlinkBlob', 'putManifest', 'deleteManifest', 'deleteTag'],
  ...['ensure', 'claim', 'finish', 'publish', 'reject', 'fail', 'retire', 'release', 'refuse'],
  ...['prune', 'condemn', 'settle', 'pruneOstreeLinks', 'pruneOstreeObjects'],
  ...['addObjects', 'moveRef', 'deleteRef', 'keepFile', 'drop'],
  ...['removeDangling', 'restorePack', 'noteLost', 'noteBack', 'correctSize', 'rebuildDeltas'],
  ...['rechunk', 'relocate', 'forgetPack', 'moveChunks', 'forgetContent'],
]);

/**
 * A process that dies at the n-th moment between, or within, durable writes: from there on every call
 * of the store and of the catalog fails, so that nothing more is written. The catalog's transactions and the
 * driver's objects are one step each, since they are all or nothing by themselves.
 */
export class WriteSteps {
  readonly #strikeAt: number;
  #count = 0;

  constructor(strikeAt: number) {
    this.#strikeAt = strikeAt;
  }

  get struck(): boolean {
    return this.#count >= this.#strikeAt;
  }

  /** A moment between two writes. */
  next(): void {
    this.#count += 1;
    this.alive();
  }

  alive(): void {
    if (this.struck) throw new Struck(`died at step ${this.#strikeAt}`);
  }

  store(inner: ObjectStore): ObjectStore {
    return {
      name: inner.name,
      put: (key, source, options) =>
        this.#write(() => inner.put(key, this.#within(source), options)),
      move: (...args) => this.#write(() => inner.move(...args)),
      delete: (...args) => this.#write(() => inner.delete(...args)),
      open: (...args) => this.#read(() => inner.open(...args)),
      stat: (...args) => this.#read(() => inner.stat(...args)),
      list: (...args) => inner.list(...args),
    };
  }

  catalog(inner: Catalog): Catalog {
    return this.#counted(inner) as Catalog;
  }

  /** After one write is before the next. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.next();
    return work();
  }

  async #read<T>(work: () => Promise<T>): Promise<T> {
    this.alive();
    return work();
  }

  /** A moment after the first piece that a store has taken. */
  async *#within(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
    let pieces = 0;
    for await (const piece of source) {
      yield piece;
      if ((pieces += 1) === 1) this.next();
    }
  }

  #counted(part: object): object {
    return new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member === 'object' && member !== null) return this.#counted(member);
        if (typeof member !== 'function' || name === 'close') {
          return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        }
        const writes = WRITES.has(name);
        return async (...args: unknown[]) => {
          if (writes) this.next();
          else this.alive();
          return (await Reflect.apply(member, target, args)) as unknown;
        };
      },
    });
  }
}
