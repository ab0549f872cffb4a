import { StorageError } from '../errors.ts';
import { BLOCK_BYTES, isZeroBlock, parseTarHeader, untilZero, type TarHeader } from './header.ts';
import { listPax, parsePax, type PaxRecord } from './pax.ts';

/** Metadata past this is no name that any file system takes: what follows it is not followed. */
const MAX_META_BYTES = 1024 * 1024;

/** An entry whose headers were read; offsets count from the tar's first byte. */
export interface WalkedEntry {
  /** Its last header: of several, the one that says its type. */
  readonly header: TarHeader;
  /** Raw: of the last PAX or GNU header that names it, where there is one. */
  readonly name: Buffer;
  readonly linkName: Buffer;
  /** Records of its own PAX headers, in order. */
  readonly pax: readonly PaxRecord[];
  /** False if a PAX header of its own does not parse, or a global one came before. */
  readonly isPlain: boolean;
  /** First byte of its first header. */
  readonly start: number;
  /** First byte after its headers. */
  readonly payloadStart: number;
  /** Bytes that it says it has; where none follow (`storesPayload`), what a link or folder says. */
  readonly size: number;
  /** True for types behind whose headers bytes lie. */
  readonly storesPayload: boolean;
}

type State =
  /** `sized`: the entry before named this many bytes, which it may or may not have stored. */
  | { readonly kind: 'header'; readonly sized: number }
  | { readonly kind: 'meta'; readonly header: TarHeader }
  | { readonly kind: 'skip'; readonly bytes: number }
  /** A further block of an old GNU sparse map. */
  | { readonly kind: 'sparse'; readonly header: TarHeader; readonly size: number }
  | { readonly kind: 'done' };

/**
 * Follows the headers of a tar that comes in pieces; holds one block, or one name, at a time. Throws
 * `corrupt` when the first block is no tar header (no bytes at all are an empty layer, zeros the end of
 * an empty tar); at anything else that is no header the walk ends.
 */
export class TarWalk {
  readonly #onEntry: (entry: WalkedEntry) => void;
  #state: State = { kind: 'header', sized: 0 };
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFirst = true;
  #position = 0;
  /** Of the entry whose headers are read. */
  #start: number | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #paxSize: number | undefined;
  #pax: PaxRecord[] = [];
  #isBroken = false;
  #hasGlobal = false;

  /** `onEntry` is called as soon as an entry's headers are read, before its payload. */
  constructor(onEntry: (entry: WalkedEntry) => void) {
    this.#onEntry = onEntry;
  }

  /** True once an end marker, or what is no header, was met. */
  get isDone(): boolean {
    return this.#state.kind === 'done';
  }

  push(part: Buffer): void {
    let rest = part;
    while (rest.length > 0 && this.#state.kind !== 'done') {
      const wanted = this.#wanted();
      const taken = rest.subarray(0, wanted - this.#heldBytes);
      rest = rest.subarray(taken.length);
      this.#position += taken.length;
      this.#heldBytes += taken.length;
      if (this.#state.kind !== 'skip') this.#held.push(Buffer.from(taken));
      if (this.#heldBytes < wanted) return;
      const bytes = Buffer.concat(this.#held);
      this.#held = [];
      this.#heldBytes = 0;
      this.#step(bytes);
    }
  }

  end(): void {
    if (this.#isFirst && this.#heldBytes > 0) throw notTar(`it holds ${this.#heldBytes} bytes`);
  }

  #wanted(): number {
    switch (this.#state.kind) {
      case 'skip':
        return this.#state.bytes;
      case 'meta':
        return padded(this.#state.header.size);
      default:
        return BLOCK_BYTES;
    }
  }

  #step(bytes: Buffer): void {
    const state = this.#state;
    switch (state.kind) {
      case 'header':
        this.#state = this.#header(bytes, state.sized);
        return;
      case 'meta':
        this.#meta(state.header, bytes.subarray(0, state.header.size));
        this.#state = { kind: 'header', sized: 0 };
        return;
      case 'sparse':
        if (bytes[504] === 0) this.#state = this.#stored(state.header, state.size);
        return;
      case 'skip':
        this.#state = { kind: 'header', sized: 0 };
        return;
      case 'done':
        return;
    }
  }

  #header(block: Buffer, sized: number): State {
    const header = parseTarHeader(block);
    if (header === undefined) {
      // What is no header is the end marker, or the first block of what the entry before stored.
      if (this.#isFirst && !isZeroBlock(block)) throw notTar('the checksum is wrong');
      return sized > 0 && !isZeroBlock(block)
        ? skip(padded(sized) - BLOCK_BYTES)
        : { kind: 'done' };
    }
    this.#isFirst = false;
    this.#start ??= this.#position - BLOCK_BYTES;
    if ('LKxg'.includes(header.type)) {
      if (header.size > MAX_META_BYTES) return { kind: 'done' };
      return header.size === 0 ? { kind: 'header', sized: 0 } : { kind: 'meta', header };
    }
    return this.#entry(header);
  }

  #meta(header: TarHeader, bytes: Buffer): void {
    if (header.type === 'L') this.#longName = untilZero(bytes);
    if (header.type === 'K') this.#longLink = untilZero(bytes);
    if (header.type === 'g') this.#hasGlobal = true;
    if (header.type !== 'x') return;
    const known = parsePax(bytes);
    this.#longName = known?.path ?? this.#longName;
    this.#longLink = known?.linkPath ?? this.#longLink;
    this.#paxSize = known?.size ?? this.#paxSize;
    this.#pax.push(...(listPax(bytes) ?? []));
    if (known === undefined) this.#isBroken = true;
  }

  #entry(header: TarHeader): State {
    const bytes = this.#paxSize ?? header.size;
    const { type } = header;
    if (bytes === 0 || '2346'.includes(type)) {
      this.#emit(header, bytes, false);
      return { kind: 'header', sized: 0 };
    }
    if (type === '1' || type === '5') {
      this.#emit(header, bytes, false);
      return { kind: 'header', sized: bytes };
    }
    if (type === 'S' && header.block[482] !== 0) return { kind: 'sparse', header, size: bytes };
    return this.#stored(header, bytes);
  }

  #stored(header: TarHeader, size: number): State {
    this.#emit(header, size, true);
    return skip(padded(size));
  }

  #emit(header: TarHeader, size: number, storesPayload: boolean): void {
    const entry: WalkedEntry = {
      header,
      name: this.#longName ?? header.name,
      linkName: this.#longLink ?? untilZero(header.block.subarray(157, 257)),
      pax: this.#pax,
      isPlain: !this.#isBroken && !this.#hasGlobal,
      start: this.#start ?? 0,
      payloadStart: this.#position,
      size,
      storesPayload,
    };
    this.#start = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#paxSize = undefined;
    this.#pax = [];
    this.#isBroken = false;
    this.#onEntry(entry);
  }
}

function skip(bytes: number): State {
  if (!Number.isSafeInteger(bytes)) return { kind: 'done' };
  return bytes === 0 ? { kind: 'header', sized: 0 } : { kind: 'skip', bytes };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function notTar(why: string): StorageError {
  return new StorageError('corrupt', `not a tar: ${why} in its first header`);
}
