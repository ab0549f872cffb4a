import { digestAlgorithm, digestBytes, digestFromBytes, type Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** One chunk of a layer and where its frame lies. */
export interface IndexedChunk {
  /** sha256 of the uncompressed chunk. */
  readonly digest: Digest;
  /** Bytes of the chunk. */
  readonly rawLength: number;
  /** Which of {@link ChunkIndex.packs}. */
  readonly pack: number;
  /** First byte of the frame in the pack. */
  readonly offset: number;
  /** Bytes of the frame. */
  readonly length: number;
}

/** How a layer is made of chunks. LAYOUT.md, "Chunk index", describes every byte. */
export interface ChunkIndex {
  /** sha256 of the uncompressed tar. */
  readonly diffId: Digest;
  /** Bytes of the uncompressed tar. */
  readonly rawSize: number;
  /** In the order of first use. */
  readonly packs: readonly Digest[];
  /** In the order of the layer. */
  readonly chunks: readonly IndexedChunk[];
}

/** Seven letters and the format's version. */
const MAGIC = Buffer.from('rvchidx\x01', 'latin1');
const DIGEST_BYTES = 32;
/** 16 KiB, the smallest chunk but the last, times this is the largest layer: 16 GiB. */
export const MAX_CHUNKS = 2 ** 20;
export const MAX_PACKS = 2 ** 16;
/** Above what the chunker makes, so that its sizes can change without a new format. */
export const MAX_CHUNK_RAW_BYTES = 1024 * 1024;
/** What a frame of incompressible bytes costs on top, and to spare. */
const MAX_FRAME_OVERHEAD = 1024;
/** The most that {@link formatChunkIndex} writes: bound reads by it. */
export const MAX_INDEX_BYTES = 64 * 1024 * 1024;
/** No chunk takes less: two varints of one byte, one of place, and the digest. */
const MIN_CHUNK_RECORD = 3 + DIGEST_BYTES;

/** The index as bytes; equal indexes give equal bytes. Throws `corrupt` for one that breaks a bound. */
export function formatChunkIndex(index: ChunkIndex): Buffer {
  checkChunkIndex(index);
  const out = new ByteWriter();
  out.bytes(MAGIC);
  out.bytes(digestBytes(index.diffId));
  out.varint(index.rawSize);
  out.varint(index.packs.length);
  for (const pack of index.packs) out.bytes(digestBytes(pack));
  out.varint(index.chunks.length);
  let next = { pack: -1, offset: 0 };
  for (const chunk of index.chunks) {
    if (chunk.pack === next.pack && chunk.offset === next.offset) {
      out.varint(0);
    } else {
      out.varint(chunk.pack + 1);
      out.varint(chunk.offset);
    }
    out.varint(chunk.rawLength);
    out.varint(chunk.length);
    out.bytes(digestBytes(chunk.digest));
    next = { pack: chunk.pack, offset: chunk.offset + chunk.length };
  }
  return out.take();
}

/**
 * Reads an index; `corrupt` for anything that {@link formatChunkIndex} does not write. What it
 * returns keeps every bound of LAYOUT.md, and its lengths add up.
 */
export function parseChunkIndex(bytes: Buffer): ChunkIndex {
  const reader = new ByteReader(bytes, 'chunk index');
  const magic = reader.bytes(MAGIC.length);
  if (!magic.equals(MAGIC)) {
    throw broken(`begins with ${magic.toString('hex')}, expected ${MAGIC.toString('hex')}`);
  }
  const diffId = digestFromBytes(reader.bytes(DIGEST_BYTES));
  const rawSize = reader.varint();
  const packCount = reader.count(MAX_PACKS, DIGEST_BYTES);
  const packs = Array.from({ length: packCount }, () =>
    digestFromBytes(reader.bytes(DIGEST_BYTES)),
  );
  const chunkCount = reader.count(MAX_CHUNKS, MIN_CHUNK_RECORD);
  const chunks: IndexedChunk[] = [];
  for (let i = 0; i < chunkCount; i++) chunks.push(readChunk(reader, chunks.at(-1)));
  reader.end();
  const index: ChunkIndex = { diffId, rawSize, packs, chunks };
  checkChunkIndex(index);
  return index;
}

function readChunk(reader: ByteReader, previous: IndexedChunk | undefined): IndexedChunk {
  const place = reader.varint();
  let pack: number;
  let offset: number;
  if (place > 0) {
    pack = place - 1;
    offset = reader.varint();
    if (previous?.pack === pack && previous.offset + previous.length === offset) {
      throw broken('spells out a place that follows the chunk before');
    }
  } else if (previous !== undefined) {
    pack = previous.pack;
    offset = previous.offset + previous.length;
  } else {
    throw broken('its first chunk has no place');
  }
  const rawLength = reader.varint();
  const length = reader.varint();
  return { digest: digestFromBytes(reader.bytes(DIGEST_BYTES)), rawLength, pack, offset, length };
}

/** The rules of LAYOUT.md, "Chunk index", that hold for the index as a whole. */
function checkChunkIndex(index: ChunkIndex): void {
  for (const digest of [index.diffId, ...index.packs]) {
    if (digestAlgorithm(digest) !== 'sha256') throw broken(`holds ${digest}, only sha256 can be`);
  }
  if (index.packs.length > MAX_PACKS || index.chunks.length > MAX_CHUNKS) {
    throw broken(`names ${index.packs.length} packs and ${index.chunks.length} chunks`);
  }
  if (new Set(index.packs).size !== index.packs.length) throw broken('names a pack twice');
  let packsUsed = 0;
  let rawSize = 0;
  const lengths = new Map<Digest, number>();
  for (const chunk of index.chunks) {
    checkChunk(chunk);
    if (chunk.pack > packsUsed) throw broken(`uses pack ${chunk.pack} before pack ${packsUsed}`);
    if (chunk.pack === packsUsed) packsUsed += 1;
    rawSize += chunk.rawLength;
    if ((lengths.get(chunk.digest) ?? chunk.rawLength) !== chunk.rawLength) {
      throw broken(`gives ${chunk.digest} two lengths`);
    }
    lengths.set(chunk.digest, chunk.rawLength);
  }
  if (packsUsed !== index.packs.length) {
    throw broken(`names ${index.packs.length} packs and uses ${packsUsed}`);
  }
  if (rawSize !== index.rawSize) {
    throw broken(`chunks of ${rawSize} bytes in a layer of ${index.rawSize}`);
  }
}

function checkChunk(chunk: IndexedChunk): void {
  const { digest, rawLength, pack, offset, length } = chunk;
  const sound =
    digestAlgorithm(digest) === 'sha256' &&
    within(rawLength, 1, MAX_CHUNK_RAW_BYTES) &&
    within(length, 1, rawLength + MAX_FRAME_OVERHEAD) &&
    within(pack, 0, MAX_PACKS - 1) &&
    within(offset, 0, Number.MAX_SAFE_INTEGER - length);
  if (!sound) throw broken(`has a chunk out of bounds: ${JSON.stringify(chunk)}`);
}

function within(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function broken(what: string): StorageError {
  return new StorageError('corrupt', `chunk index: ${what}`);
}
