import { createHash } from 'node:crypto';

/**
 * Which blocks of a blob are present, with a checksum each.
 *
 * At rest (integers big-endian):
 *
 * ```
 *  0  8 bytes  magic "RVSPARS1"
 *  8  u64      size of the whole blob, bytes
 * 16  u32      bytes of a block
 * 20  u32      flags: bit 0 = the whole blob's digest was verified
 * 24  n x 16   per block: the first 16 bytes of its sha256, all zero = missing
 *  .  32       sha256 of everything before
 * ```
 */
export class BlockMap {
  readonly size: number;
  readonly blockBytes: number;
  readonly blockCount: number;
  verified = false;
  readonly #sums: Buffer;
  #presentBlocks = 0;
  #presentBytes = 0;

  constructor(size: number, blockBytes: number) {
    this.size = size;
    this.blockBytes = blockBytes;
    this.blockCount = Math.ceil(size / blockBytes);
    this.#sums = Buffer.alloc(this.blockCount * SUM_BYTES);
  }

  get complete(): boolean {
    return this.#presentBlocks === this.blockCount;
  }

  get presentBytes(): number {
    return this.#presentBytes;
  }

  has(block: number): boolean {
    return !isZero(this.#sum(block));
  }

  /** True if `bytes` are what the block held when it was marked. */
  matches(block: number, bytes: Uint8Array): boolean {
    return this.#sum(block).equals(blockSum(bytes));
  }

  /** The checksum of a present block, 32 hex digits. */
  sumOf(block: number): string {
    return this.#sum(block).toString('hex');
  }

  mark(block: number, sum: Buffer): void {
    this.clear(block);
    sum.copy(this.#sum(block));
    this.#presentBlocks += 1;
    this.#presentBytes += this.lengthOf(block);
  }

  clear(block: number): void {
    this.verified = false;
    if (!this.has(block)) return;
    this.#sum(block).fill(0);
    this.#presentBlocks -= 1;
    this.#presentBytes -= this.lengthOf(block);
  }

  clearAll(): void {
    this.verified = false;
    this.#sums.fill(0);
    this.#presentBlocks = 0;
    this.#presentBytes = 0;
  }

  /** Bytes of that block; only the last may be short. */
  lengthOf(block: number): number {
    return Math.min(this.blockBytes, this.size - block * this.blockBytes);
  }

  format(): Buffer {
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(MAGIC, 0, 'latin1');
    head.writeBigUInt64BE(BigInt(this.size), 8);
    head.writeUInt32BE(this.blockBytes, 16);
    head.writeUInt32BE(this.verified ? 1 : 0, 20);
    const body = Buffer.concat([head, this.#sums]);
    return Buffer.concat([body, createHash('sha256').update(body).digest()]);
  }

  /** The map in `bytes`, or undefined when they are damaged or describe another file. */
  static parse(bytes: Buffer, size: number, blockBytes: number): BlockMap | undefined {
    const map = new BlockMap(size, blockBytes);
    const end = HEAD_BYTES + map.#sums.length;
    if (bytes.length !== end + 32) return undefined;
    const body = bytes.subarray(0, end);
    if (!createHash('sha256').update(body).digest().equals(bytes.subarray(end))) return undefined;
    if (body.toString('latin1', 0, 8) !== MAGIC) return undefined;
    if (body.readBigUInt64BE(8) !== BigInt(size)) return undefined;
    if (body.readUInt32BE(16) !== blockBytes) return undefined;
    for (let block = 0; block < map.blockCount; block += 1) {
      const sum = body.subarray(
        HEAD_BYTES + block * SUM_BYTES,
        HEAD_BYTES + (block + 1) * SUM_BYTES,
      );
      if (!isZero(sum)) map.mark(block, sum);
    }
    map.verified = body.readUInt32BE(20) === 1 && map.complete;
    return map;
  }

  #sum(block: number): Buffer {
    return this.#sums.subarray(block * SUM_BYTES, (block + 1) * SUM_BYTES);
  }
}

const MAGIC = 'RVSPARS1';
const HEAD_BYTES = 24;
const SUM_BYTES = 16;
const ZERO = Buffer.alloc(SUM_BYTES);

/** The checksum that a map keeps of a block. */
export function blockSum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, SUM_BYTES);
}

/** Bytes of the map file of a blob of that size. */
export function mapFileBytes(size: number, blockBytes: number): number {
  return HEAD_BYTES + Math.ceil(size / blockBytes) * SUM_BYTES + 32;
}

function isZero(sum: Buffer): boolean {
  return sum.equals(ZERO);
}
