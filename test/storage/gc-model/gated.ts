import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import type { Gate } from './actor.ts';

/** The catalog's parts whose methods are steps. */
const CONCERNS = new Set<PropertyKey>([
  'repositories',
  'uploads',
  'layers',
  'deltas',
  'ostree',
  'ostreeDeltas',
  'zstdChunked',
  'fleet',
  'gc',
  'retention',
  'audit',
]);

/** A store each of whose operations waits at the gate first; a listing waits once it has found something. */
export function gatedObjects(objects: ObjectStore, gate: Gate): ObjectStore {
  return {
    name: objects.name,
    async put(...args) {
      await gate('put');
      return objects.put(...args);
    },
    async open(...args) {
      await gate('open');
      return objects.open(...args);
    },
    async stat(...args) {
      await gate('stat');
      return objects.stat(...args);
    },
    async delete(...args) {
      await gate('delete');
      return objects.delete(...args);
    },
    async move(...args) {
      await gate('move');
      return objects.move(...args);
    },
    async *list(...args) {
      let found = false;
      for await (const entry of objects.list(...args)) {
        if (!found) await gate('listed');
        found = true;
        yield entry;
      }
    },
  };
}

/** A catalog each of whose calls waits at the gate first; a call itself is one step. */
export function gatedCatalog(catalog: Catalog, gate: Gate): Catalog {
  return new Proxy(catalog, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      return CONCERNS.has(name) && isObject(value) ? gatedConcern(value, gate) : value;
    },
  });
}

function gatedConcern(concern: object, gate: Gate): object {
  return new Proxy(concern, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (isObject(method)) return gatedConcern(method, gate);
      if (typeof method !== 'function') return method;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        await gate(String(name));
        return Reflect.apply(method, target, args);
      };
    },
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
