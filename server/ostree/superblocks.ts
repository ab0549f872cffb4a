import { parseCommitmeta } from '../../delta/ostree/commitmeta.ts';
import { formatSuperblock } from '../../delta/ostree/static-delta/format-superblock.ts';
import { STATIC_DELTA_LIMITS } from '../../delta/ostree/static-delta/limits.ts';
import { parseSuperblock } from '../../delta/ostree/static-delta/parse-superblock.ts';
import { readBlob, type BlobReader } from '../../storage/blob-store.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { outlineOf, type DeltaOutline } from './delta-work.ts';
import { Turns } from './turns.ts';

/** A superblock as clients get it. */
export interface MadeSuperblock {
  readonly bytes: Buffer;
  readonly digest: Digest;
  /** What old clients make of it. */
  readonly outline: DeltaOutline;
}

/** Digests of superblocks that are remembered: an index takes one of each delta. */
const KEPT_DIGESTS = 65_536;
/** Of superblocks whose bytes are kept. */
const KEPT_BYTES = 32 * 1024 * 1024;
/** Made at once: each takes some times its bytes. */
const MAKERS = 2;

/**
 * Superblocks with the commitmeta of now. What is stored is a superblock without any, and the commit's
 * present one is put in when it is asked for: a new signature makes new superblocks and a new index at
 * once, with nothing to be rebuilt or to be forgotten, and the parts stay as they are.
 */
export class Superblocks {
  readonly #blobs: BlobReader;
  readonly #keptBytes: number;
  readonly #turns = new Turns(MAKERS);
  /** Both in the order of their making or last use. */
  readonly #digests = new Map<string, Digest>();
  readonly #bytes = new Map<string, MadeSuperblock>();
  readonly #making = new Map<string, Promise<MadeSuperblock>>();
  #size = 0;

  /** `keptBytes` is 0 for who asks for digests alone. */
  constructor(blobs: BlobReader, { keptBytes = KEPT_BYTES } = {}) {
    this.#blobs = blobs;
    this.#keptBytes = keptBytes;
  }

  /** The superblock of that stored one; `missing` when it is collected by now. */
  async get(stored: Digest, commitmeta: Buffer | undefined): Promise<MadeSuperblock> {
    const key = keyOf(stored, commitmeta);
    const kept = this.#bytes.get(key);
    if (kept !== undefined) {
      this.#bytes.delete(key);
      this.#bytes.set(key, kept);
      return kept;
    }
    const running = this.#making.get(key);
    if (running !== undefined) return running;
    const making = this.#turns
      .take(() => this.#make(stored, commitmeta))
      .then((made) => {
        this.#keep(key, made);
        return made;
      })
      .finally(() => {
        this.#making.delete(key);
      });
    this.#making.set(key, making);
    return making;
  }

  /** Its digest alone, for an index. */
  async digest(stored: Digest, commitmeta: Buffer | undefined): Promise<Digest> {
    const known = this.#digests.get(keyOf(stored, commitmeta));
    return known ?? (await this.get(stored, commitmeta)).digest;
  }

  async #make(stored: Digest, commitmeta: Buffer | undefined): Promise<MadeSuperblock> {
    const maxBytes = STATIC_DELTA_LIMITS.superblockBytes;
    const bare = await readBlob(this.#blobs, stored, { maxBytes });
    const superblock = parseSuperblock(bare);
    const outline = outlineOf(superblock);
    if (commitmeta === undefined) return { bytes: bare, digest: stored, outline };
    const entries = parseCommitmeta(commitmeta);
    const bytes = formatSuperblock({ ...superblock, commitmeta: entries });
    return { bytes, digest: digestOf(bytes), outline };
  }

  #keep(key: string, made: MadeSuperblock): void {
    this.#digests.set(key, made.digest);
    const [first] = this.#digests.keys();
    if (this.#digests.size > KEPT_DIGESTS && first !== undefined) this.#digests.delete(first);
    this.#bytes.set(key, made);
    this.#size += made.bytes.length;
    for (const [oldest, { bytes }] of this.#bytes) {
      if (this.#size <= this.#keptBytes) return;
      this.#bytes.delete(oldest);
      this.#size -= bytes.length;
    }
  }
}

function keyOf(stored: Digest, commitmeta: Buffer | undefined): string {
  return commitmeta === undefined ? stored : `${stored} ${digestOf(commitmeta)}`;
}
