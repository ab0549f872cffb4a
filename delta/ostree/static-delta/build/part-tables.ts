import { encodeVariant } from '../../gvariant/encode.ts';
import type { FileHeader } from '../../objects/file-header.ts';
import { xattrsToTuples, type Xattr } from '../../objects/xattrs.ts';
import type { FileMode } from '../payload.ts';

/** The tables of owners and modes and of xattr sets that a part's operations refer to. */
export class PartTables {
  readonly modes: FileMode[] = [];
  readonly xattrs: (readonly Xattr[])[] = [];
  readonly #modeNumbers = new Map<string, number>();
  readonly #xattrNumbers = new Map<string, number>();

  /** The number of a file's owner and mode; a new one is appended. */
  modeOf({ uid, gid, mode }: FileHeader): number {
    const key = `${uid} ${gid} ${mode}`;
    return numberOf(this.#modeNumbers, key, () => this.modes.push({ uid, gid, mode }) - 1);
  }

  /** The number of a file's xattrs; a new set is appended. */
  xattrsOf({ xattrs }: FileHeader): number {
    const bytes = encodeVariant('a(ayay)', xattrsToTuples(xattrs, 'a file of a delta'));
    const key = bytes.toString('latin1');
    return numberOf(this.#xattrNumbers, key, () => this.xattrs.push(xattrs) - 1);
  }
}

function numberOf(known: Map<string, number>, key: string, append: () => number): number {
  const found = known.get(key);
  if (found !== undefined) return found;
  const number = append();
  known.set(key, number);
  return number;
}
