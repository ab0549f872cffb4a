import { Readable } from 'node:stream';

import { walkTar } from '../../../delta/tree/walk.ts';
import { FileAccess, SliceAccess, type RandomAccess } from '../../../storage/random-access.ts';
import { ServerError } from '../../errors.ts';

const PIECE_BYTES = 1 << 20;
/** An archive's JSON documents are read whole. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** A tar file whose members are read in place. */
export class TarArchive {
  readonly path: string;
  readonly #file: FileAccess;
  readonly #members: ReadonlyMap<string, RandomAccess>;

  private constructor(path: string, file: FileAccess, members: ReadonlyMap<string, RandomAccess>) {
    this.path = path;
    this.#file = file;
    this.#members = members;
  }

  /** Opens a tar file; the later of two members of one name wins. Close it. */
  static async open(path: string): Promise<TarArchive> {
    let file: FileAccess;
    try {
      file = await FileAccess.open(path);
    } catch (cause) {
      throw new ServerError('not_found', `cannot read ${path}: ${String(cause)}`, { cause });
    }
    try {
      const map = await walkTar(file);
      if (map === undefined) throw new ServerError('invalid_input', `${path} is not a whole tar`);
      const members = new Map<string, RandomAccess>();
      for (const { name, payloadStart, payloadBytes } of map.entries) {
        const shown = name.toString('utf8').replace(/^\.\//, '');
        members.set(shown, new SliceAccess(file, payloadStart, payloadBytes));
      }
      return new TarArchive(path, file, members);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The member's bytes, or undefined when there is none. */
  member(name: string): RandomAccess | undefined {
    return this.#members.get(name);
  }

  /** The members' names, without a leading `./`. */
  names(): Iterable<string> {
    return this.#members.keys();
  }

  /** A member that must be there, read whole. */
  async document(name: string): Promise<Buffer> {
    const member = this.member(name);
    if (member === undefined) {
      throw new ServerError('invalid_input', `${this.path} has no ${name}`);
    }
    if (member.size > MAX_DOCUMENT_BYTES) {
      throw new ServerError('invalid_input', `${name} in ${this.path} has ${member.size} bytes`);
    }
    return member.read(0, member.size);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Bytes `start` to `endExclusive` of a source as a stream. */
export function streamOf(source: RandomAccess, start = 0, endExclusive = source.size): Readable {
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (let at = start; at < endExclusive; at += PIECE_BYTES) {
      yield await source.read(at, Math.min(PIECE_BYTES, endExclusive - at));
    }
  };
  return Readable.from(pieces());
}
