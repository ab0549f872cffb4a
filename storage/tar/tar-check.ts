import { StorageError } from '../errors.ts';
import { BLOCK_BYTES, isZeroBlock, parseTarHeader, untilZero, type TarHeader } from './header.ts';
import { parsePax } from './pax.ts';

/** Metadata past this is no name that any file system takes: what follows it is not followed. */
const MAX_META_BYTES = 1024 * 1024;

/**
 * Passes a layer's tar on and refuses what must not be unpacked: throws `corrupt` when the first
 * block is not a tar header (no bytes at all are an empty layer, zeros the end of an empty tar), and
 * when an entry's name, or the target of a hard link, climbs out of the root by `..`.
 */
export async function* checkTar(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const walk = new TarWalk();
  for await (const part of source) {
    walk.push(part);
    yield part;
  }
  walk.end();
}

type State =
  /** `sized`: the entry before named this many bytes, which it may or may not have stored. */
  | { readonly kind: 'header'; readonly sized: number }
  | { readonly kind: 'meta'; readonly header: TarHeader }
  | { readonly kind: 'skip'; readonly bytes: number }
  /** A further block of an old GNU sparse map; `then` is the payload. */
  | { readonly kind: 'sparse'; readonly then: number }
  | { readonly kind: 'done' };

/** Follows the headers of a tar that comes in pieces; holds one block, or one name, at a time. */
class TarWalk {
  #state: State = { kind: 'header', sized: 0 };
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isFirst = true;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  #paxSize: number | undefined;

  push(part: Buffer): void {
    let rest = part;
    while (rest.length > 0 && this.#state.kind !== 'done') {
      const wanted = this.#wanted();
      const taken = rest.subarray(0, wanted - this.#heldBytes);
      rest = rest.subarray(taken.length);
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
        this.#state = bytes[504] === 0 ? skip(state.then) : state;
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
    if ('LKxg'.includes(header.type)) {
      if (header.size > MAX_META_BYTES) return { kind: 'done' };
      return header.size === 0 ? { kind: 'header', sized: 0 } : { kind: 'meta', header };
    }
    return this.#entry(header);
  }

  #meta(header: TarHeader, bytes: Buffer): void {
    if (header.type === 'L') this.#longName = untilZero(bytes);
    if (header.type === 'K') this.#longLink = untilZero(bytes);
    if (header.type !== 'x') return;
    const pax = parsePax(bytes);
    this.#longName = pax?.path ?? this.#longName;
    this.#longLink = pax?.linkPath ?? this.#longLink;
    this.#paxSize = pax?.size ?? this.#paxSize;
  }

  #entry(header: TarHeader): State {
    const { type } = header;
    refuseClimbing(this.#longName ?? header.name, 'the entry');
    if (type === '1') {
      refuseClimbing(
        this.#longLink ?? untilZero(header.block.subarray(157, 257)),
        'the hard link to',
      );
    }
    const size = this.#paxSize ?? header.size;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#paxSize = undefined;
    if (size === 0 || '2346'.includes(type)) return { kind: 'header', sized: 0 };
    if (type === '1' || type === '5') return { kind: 'header', sized: size };
    if (type === 'S' && header.block[482] !== 0) return { kind: 'sparse', then: padded(size) };
    return skip(padded(size));
  }
}

function skip(bytes: number): State {
  if (!Number.isSafeInteger(bytes)) return { kind: 'done' };
  return bytes === 0 ? { kind: 'header', sized: 0 } : { kind: 'skip', bytes };
}

function refuseClimbing(name: Buffer, what: string): void {
  const text = name.toString('latin1');
  if (!text.split('/').includes('..')) return;
  throw new StorageError(
    'corrupt',
    `an unsafe tar: ${what} ${JSON.stringify(text.slice(0, 200))} climbs out of the root by ".."`,
  );
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function notTar(why: string): StorageError {
  return new StorageError('corrupt', `not a tar: ${why} in its first header`);
}
