import type { RandomAccess } from '../../storage/random-access.ts';
import {
  BLOCK_BYTES,
  isZeroBlock,
  parseTarHeader,
  untilZero,
  type TarHeader,
} from '../../storage/tar/header.ts';
import { parsePax } from '../../storage/tar/pax.ts';
import { WindowReader } from './window-reader.ts';

/** One entry: its headers (long names and PAX records included), its payload, its padding. */
export interface TarEntry {
  /** The raw name: bytes of no particular encoding. */
  readonly name: Buffer;
  /** The type of its main header. */
  readonly type: string;
  /** First byte of its first header. */
  readonly start: number;
  /** First byte after its headers. */
  readonly payloadStart: number;
  /** Stored bytes; of a sparse file only what is there. */
  readonly payloadBytes: number;
  /** First byte after its padding. */
  readonly end: number;
}

/** A whole tar: entries without gaps from byte 0, then the trailer up to `size`. */
export interface TarMap {
  readonly entries: readonly TarEntry[];
  /** The end marker and whatever follows it. */
  readonly trailerStart: number;
  readonly size: number;
}

/** GNU and PAX metadata is read whole; longer is no name. */
const MAX_META_BYTES = 1024 * 1024;
const MAX_ENTRIES = 1_000_000;

/**
 * Maps a tar. Undefined when it can't be walked to its end marker (or its last byte): then it is no
 * tar, and is coded as a plain file. Names and traversal do not matter here: nothing is unpacked.
 */
export async function walkTar(source: RandomAccess): Promise<TarMap | undefined> {
  const reader = new WindowReader(source);
  const entries: TarEntry[] = [];
  let at = 0;
  for (;;) {
    if (at === source.size) break;
    const block = await reader.tryRead(at, BLOCK_BYTES);
    if (block === undefined) return undefined;
    if (isZeroBlock(block)) break;
    const entry = await readEntry(reader, at);
    if (entry === undefined || entries.length >= MAX_ENTRIES) return undefined;
    entries.push(entry);
    at = entry.end;
  }
  return entries.length === 0 ? undefined : { entries, trailerStart: at, size: source.size };
}

async function readEntry(reader: WindowReader, start: number): Promise<TarEntry | undefined> {
  let at = start;
  let longName: Buffer | undefined;
  let paxSize: number | undefined;
  for (;;) {
    const block = await reader.tryRead(at, BLOCK_BYTES);
    const header = block === undefined ? undefined : parseTarHeader(Buffer.from(block));
    if (header === undefined) return undefined;
    at += BLOCK_BYTES;
    if (!'LKx'.includes(header.type)) {
      const name = longName ?? header.name;
      return finishEntry(reader, header, { name, start, at, size: paxSize ?? header.size });
    }
    if (header.size > MAX_META_BYTES) return undefined;
    const meta = await reader.tryRead(at, header.size);
    if (meta === undefined) return undefined;
    if (header.type === 'L') longName = Buffer.from(untilZero(meta));
    if (header.type === 'x') {
      const pax = parsePax(meta);
      if (pax === undefined) return undefined;
      longName = pax.path === undefined ? longName : Buffer.from(pax.path);
      paxSize = pax.size ?? paxSize;
    }
    at += padded(header.size);
  }
}

async function finishEntry(
  reader: WindowReader,
  header: TarHeader,
  found: {
    readonly name: Buffer;
    readonly start: number;
    readonly at: number;
    readonly size: number;
  },
): Promise<TarEntry | undefined> {
  const { name, start } = found;
  const payloadStart = await skipSparseMaps(reader, header, found.at);
  if (payloadStart === undefined) return undefined;
  const payloadBytes = await storedBytes(reader, header.type, payloadStart, found.size);
  const payloadEnd = payloadStart + payloadBytes;
  if (!Number.isSafeInteger(payloadEnd) || payloadEnd > reader.size) return undefined;
  // Some writers leave out the last padding.
  const end = Math.min(payloadStart + padded(payloadBytes), reader.size);
  return { name, type: header.type, start, payloadStart, payloadBytes, end };
}

/** Old GNU sparse headers go on in further blocks (GNU tar, "Storing Sparse Files"). */
async function skipSparseMaps(
  reader: WindowReader,
  header: TarHeader,
  at: number,
): Promise<number | undefined> {
  if (header.type !== 'S') return at;
  let next = at;
  for (let isExtended = header.block[482] !== 0; isExtended;) {
    const block = await reader.tryRead(next, BLOCK_BYTES);
    if (block === undefined) return undefined;
    isExtended = block[504] !== 0;
    next += BLOCK_BYTES;
  }
  return next;
}

/**
 * Links, devices, directories and fifos name sizes without having bytes, but PAX writers may store a
 * hard link's content: where a header or the end follows at once, there is none.
 */
async function storedBytes(
  reader: WindowReader,
  type: string,
  payloadStart: number,
  size: number,
): Promise<number> {
  if (size === 0 || '2346'.includes(type)) return 0;
  if (type !== '1' && type !== '5') return size;
  const next = await reader.tryRead(payloadStart, BLOCK_BYTES);
  if (next === undefined || isZeroBlock(next) || parseTarHeader(next) !== undefined) return 0;
  return size;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
