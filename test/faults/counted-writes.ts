import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ByteSource, ObjectStore } from '../../storage/object-store.ts';

/** Deletes of one run, and pieces of one put, are alike: so many of them are steps. */
const ALIKE = 2;

/** Counts the moments before, within and after writes; at one of them the process dies. */
export class Steps {
  readonly #killAt: number;
  #count = 0;
  #deletes = 0;

  constructor(killAt: number) {
    this.#killAt = killAt;
  }

  /** A moment between two writes. */
  next(): void {
    this.#count += 1;
    if (this.#count === this.#killAt) process.kill(process.pid, 'SIGKILL');
  }

  async around<T>(work: () => Promise<T>): Promise<T> {
    this.#deletes = 0;
    this.next();
    const result = await work();
    this.next();
    return result;
  }

  async aroundDelete(work: () => Promise<void>): Promise<void> {
    this.#deletes += 1;
    if (this.#deletes > ALIKE) return work();
    this.next();
    await work();
    this.next();
  }

  /** A moment after a piece that a store has taken. */
  async *within(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
    let pieces = 0;
    for await (const piece of source) {
      yield piece;
      pieces += 1;
      if (pieces <= ALIKE) this.next();
    }
  }
}

/** The same store, counted. */
export function countedStore(inner: ObjectStore, steps: Steps): ObjectStore {
  const filePath = inner.filePath?.bind(inner);
  return {
    name: inner.name,
    put: (key, source, options) =>
      steps.around(() => inner.put(key, steps.within(source), options)),
    move: (...args) => steps.around(() => inner.move(...args)),
    delete: (...args) => steps.aroundDelete(() => inner.delete(...args)),
    open: (...args) => inner.open(...args),
    stat: (...args) => inner.stat(...args),
    list: (...args) => inner.list(...args),
    ...(filePath !== undefined && { filePath }),
  };
}

const WRITES: ReadonlySet<string | symbol> = new Set([
  ...['create', 'append', 'merge', 'delete'],
  ...['linkBlob', 'unlinkBlob', 'putManifest', 'deleteManifest', 'deleteTag'],
]);

/** The same catalog, each write of uploads and repositories counted. */
export function countedCatalog(inner: Catalog, steps: Steps): Catalog {
  return new Proxy(inner, {
    get(target, name) {
      const part: unknown = Reflect.get(target, name, target);
      if (name === 'uploads' || name === 'repositories') return counted(part as object, steps);
      return typeof part === 'function' ? (part.bind(target) as unknown) : part;
    },
  });
}

function counted(part: object, steps: Steps): object {
  return new Proxy(part, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const call = (...args: unknown[]) => Reflect.apply(member, target, args) as Promise<unknown>;
      return WRITES.has(name) ? (...args: unknown[]) => steps.around(() => call(...args)) : call;
    },
  });
}
