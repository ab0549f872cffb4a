import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { walkTar, type TarEntry, type TarMap } from '../tree/walk.ts';
import { payloadDigest } from './payload-digest.ts';

/** An entry of one of the base tars. */
export interface OldEntry {
  /** Number of the base file. */
  readonly base: number;
  readonly entry: TarEntry;
  /** The previous entry's last payload byte: padding begins there. */
  readonly gapStart: number;
}

/** Every entry of every base tar, to be found by name, by content, or by likeness of the name. */
export class OldTree {
  readonly #byName = new Map<string, OldEntry[]>();
  readonly #byContent = new Map<string, OldEntry[]>();
  readonly #byLooseName = new Map<string, OldEntry[]>();
  readonly #byBaseName = new Map<string, OldEntry[]>();

  /** Tars that can't be walked are left out. `maps` of those that were walked, by base number. */
  static async read(
    tars: readonly RandomAccess[],
    options: IoOptions,
  ): Promise<{ readonly tree: OldTree; readonly maps: ReadonlyMap<number, TarMap> }> {
    const tree = new OldTree();
    const maps = new Map<number, TarMap>();
    for (const [base, tar] of tars.entries()) {
      const map = await walkTar(tar);
      if (map === undefined) continue;
      maps.set(base, map);
      let gapStart = 0;
      for (const entry of map.entries) {
        const content = await payloadDigest(tar, entry, options);
        tree.#add({ base, entry, gapStart }, content);
        gapStart = entry.payloadStart + entry.payloadBytes;
      }
    }
    return { tree, maps };
  }

  /** Entries of that name; those of higher layers last. */
  named(name: Buffer): readonly OldEntry[] {
    return this.#byName.get(nameKey(name)) ?? [];
  }

  /** Entries with that content. */
  holding(content: string): readonly OldEntry[] {
    return this.#byContent.get(content) ?? [];
  }

  /**
   * The file that a changed or moved one most likely comes from: the same name, else the same name
   * but for digits, else the same base name; of several the one closest in size, higher layers first.
   */
  likeliest(entry: TarEntry): OldEntry | undefined {
    const same = this.named(entry.name).filter((old) => old.entry.payloadBytes > 0);
    const candidates = [
      same,
      this.#byLooseName.get(looseKey(entry.name)) ?? [],
      this.#byBaseName.get(baseKey(entry.name)) ?? [],
    ].find((list) => list.length > 0);
    return candidates?.reduceRight((best, old) =>
      distance(old, entry) < distance(best, entry) ? old : best,
    );
  }

  /** Every content once. */
  *files(): Generator<OldEntry> {
    for (const [first] of this.#byContent.values()) if (first !== undefined) yield first;
  }

  #add(old: OldEntry, content: string | undefined): void {
    push(this.#byName, nameKey(old.entry.name), old);
    if (content === undefined) return;
    push(this.#byContent, content, old);
    push(this.#byLooseName, looseKey(old.entry.name), old);
    push(this.#byBaseName, baseKey(old.entry.name), old);
  }
}

function distance(old: OldEntry, entry: TarEntry): number {
  return Math.abs(old.entry.payloadBytes - entry.payloadBytes);
}

function push(map: Map<string, OldEntry[]>, key: string, old: OldEntry): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [old]);
  else list.push(old);
}

/** One character a byte: names that are not UTF-8 stay apart. */
function nameKey(name: Buffer): string {
  return name.toString('latin1').replace(/^\.\//, '');
}

function looseKey(name: Buffer): string {
  return nameKey(name).replace(/[0-9]+/g, '#');
}

function baseKey(name: Buffer): string {
  return looseKey(name).replace(/^.*\//, '');
}
