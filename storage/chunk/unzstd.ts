import { Decompress } from 'fzstd';

import type { Clock } from '../clock.ts';
import { StorageError } from '../errors.ts';
import { zstdBinding } from '../zstd-binding.ts';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  frameHeaderLength,
  isSkippableMagic,
  MAX_FRAME_HEADER,
  parseBlockHeader,
  parseFrameHeader,
  type FrameHeader,
} from '../zstd-frame.ts';
import type { ByteQueue } from './byte-queue.ts';

/** What stock decoders open unasked (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`): `zstd --ultra -22` needs it. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
/**
 * A frame that cannot expand beyond this is gathered and decoded natively: zstd:chunked layers are
 * thousands of small frames, and a streaming decoder for each would allocate its window.
 */
const WHOLE_FRAME_BYTES = 4 * 1024 * 1024;
/** What a block counts at least towards {@link WHOLE_FRAME_BYTES}: many empty ones still take memory. */
const BLOCK_COST_BYTES = 1024;
/**
 * The streaming decoder moves its whole window once a block, so small blocks under a large window are
 * an attack on time. Levels up to 22 stay below 3000 window bytes per byte of output.
 */
const WINDOW_WORK_FACTOR = 4096;
const WINDOW_WORK_SLACK_BYTES = 2 * 1024 ** 3;

/**
 * A block may promise matches far beyond what it can hold, and the streaming decoder, unlike zstd's own,
 * works through all of them. So it must make a megabyte a second, a fiftieth of what it does on honest
 * frames, after this much patience for a busy machine.
 */
const PATIENCE_MS = 30_000;
const LEAST_BYTES_PER_MS = 1000;

/**
 * Decodes a stream of zstd frames (RFC 8878), skippable ones passed over, in memory bounded by a
 * window of at most 128 MiB. Throws `corrupt` for anything else and for a cut, `too_large` for a
 * larger window and for frames that take far more work than their bytes are worth. In frames beyond 4 MiB the decoder checks
 * neither the checksum nor every bound of the format: damage shows in the blob's digest, and bytes that
 * another decoder would refuse, in the diff_id.
 */
export async function* unzstd(
  queue: ByteQueue,
  clock: Clock = () => performance.now(),
): AsyncIterable<Uint8Array> {
  for (;;) {
    const magic = await queue.peek(4);
    if (magic.length === 0) return;
    if (magic.length === 4 && isSkippableMagic(magic.readUInt32LE(0))) {
      const header = await queue.take(8);
      await queue.skip(header.readUInt32LE(4));
    } else {
      yield* decodeFrame(queue, clock);
    }
  }
}

async function* decodeFrame(queue: ByteQueue, clock: Clock): AsyncIterable<Uint8Array> {
  const head = await queue.peek(MAX_FRAME_HEADER);
  const bytes = await queue.take(frameHeaderLength(head));
  const header = parseFrameHeader(bytes, MAX_WINDOW_BYTES);
  const work = new DecoderWork(header, clock);
  const gathered: Buffer[] = [bytes];
  let cost = 0;
  for await (const block of readBlocks(queue, header)) {
    gathered.push(block.bytes);
    cost += Math.max(block.maxRaw, BLOCK_COST_BYTES);
    if (block.last) {
      yield* checked(header, decodeWhole(Buffer.concat(gathered)));
      return;
    }
    work.addBlock(block.maxRaw);
    if (cost > WHOLE_FRAME_BYTES) break;
  }
  work.check();
  yield* checked(header, decodeStreaming(queue, header, work, Buffer.concat(gathered.splice(0))));
}

/** Holds what the streaming decoder does against the bytes that come of it. */
class DecoderWork {
  readonly #windowBytes: number;
  readonly #clock: Clock;
  #moved = 0;
  #produced = 0;
  #spentMs = 0;

  constructor(header: FrameHeader, clock: Clock) {
    this.#windowBytes = header.windowBytes;
    this.#clock = clock;
  }

  addBlock(produced: number): void {
    this.#moved += this.#windowBytes;
    this.#produced += produced;
  }

  /** Runs a step of the decoder on the clock. */
  run(step: () => void): void {
    const startMs = this.#clock();
    step();
    this.#spentMs += this.#clock() - startMs;
  }

  /** Throws `too_large` when the work has left every honest proportion. */
  check(): void {
    const fair =
      this.#moved <= WINDOW_WORK_SLACK_BYTES + this.#produced * WINDOW_WORK_FACTOR &&
      this.#spentMs <= PATIENCE_MS + this.#produced / LEAST_BYTES_PER_MS;
    if (fair) return;
    throw new StorageError(
      'too_large',
      `a zstd frame with a window of ${this.#windowBytes} bytes took ${Math.round(this.#spentMs)} ms for ${this.#produced} bytes: it is made to waste time`,
    );
  }
}

interface Block {
  /** Header, content and, after the last block, the checksum. */
  readonly bytes: Buffer;
  readonly maxRaw: number;
  readonly last: boolean;
}

/** The frame's blocks from the queue's place on; it may be left and gone on with. */
async function* readBlocks(queue: ByteQueue, header: FrameHeader): AsyncIterable<Block> {
  for (;;) {
    const { last, contentBytes, maxRaw } = parseBlockHeader(
      await queue.peek(BLOCK_HEADER_BYTES),
      0,
      header,
    );
    const tail = last && header.checksum ? CHECKSUM_BYTES : 0;
    yield { bytes: await queue.take(BLOCK_HEADER_BYTES + contentBytes + tail), maxRaw, last };
    if (last) return;
  }
}

async function* decodeWhole(frame: Buffer): AsyncIterable<Uint8Array> {
  const { decompress } = await zstdBinding();
  try {
    yield await decompress(frame);
  } catch (cause) {
    throw undecodable(cause);
  }
}

/** Decodes a large frame; `head` holds its header and the blocks already read. */
async function* decodeStreaming(
  queue: ByteQueue,
  header: FrameHeader,
  work: DecoderWork,
  head: Buffer,
): AsyncIterable<Uint8Array> {
  let output: Uint8Array[] = [];
  const decoder = new Decompress((part) => {
    if (part.length > 0) output.push(part);
  });
  let heldBack: Buffer = Buffer.alloc(0);
  // The decoder keeps every piece that ends where a block does until the frame's end: each ends a byte before.
  const push = (bytes: Buffer, last: boolean): readonly Uint8Array[] => {
    const end = last ? bytes.length : bytes.length - 1;
    const piece = Buffer.concat([heldBack, bytes.subarray(0, end)]);
    heldBack = bytes.subarray(end);
    output = [];
    try {
      work.run(() => {
        decoder.push(piece, last);
      });
    } catch (cause) {
      throw undecodable(cause);
    }
    return output;
  };
  yield* push(head, false);
  for await (const block of readBlocks(queue, header)) {
    const parts = push(block.bytes, block.last);
    work.addBlock(parts.reduce((sum, part) => sum + part.length, 0));
    work.check();
    yield* parts;
  }
}

/** Holds a frame to the content size that its header declares. */
async function* checked(
  header: FrameHeader,
  parts: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    yield part;
  }
  if (header.contentBytes !== undefined && size !== header.contentBytes) {
    throw new StorageError(
      'corrupt',
      `a zstd frame holds ${size} bytes and declares ${header.contentBytes}`,
    );
  }
}

function undecodable(cause: unknown): StorageError {
  return new StorageError('corrupt', `a zstd frame does not decode: ${String(cause)}`, { cause });
}
