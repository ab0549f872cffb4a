import { parentPort, workerData } from 'node:worker_threads';

import { DeltaError } from '../errors.ts';
import { leaveOut } from './ablation.ts';
import type { EncodeOrder, EncoderData, FromWorker, StepStreams, ToWorker } from './encode-job.ts';
import { Kernel } from './kernel.ts';

/** The owner reads so much at once, and holds up its other work for that long. */
const PIECE_BYTES = 128 * 1024;
/**
 * More new bytes than this that nothing old resembles take the coder longer than they are worth: it
 * makes a megabyte in about ten seconds, and little less of it than zstd does.
 */
const MAX_LITERAL_BYTES = 1024 * 1024;
const MAX_LITERAL_SHARE = 1 / 2;

/** Fills `into`, whose buffer goes to the owner and comes back. */
type Need = (
  side: 'old' | 'new',
  offset: number,
  into: Uint8Array<ArrayBuffer>,
) => Promise<Uint8Array<ArrayBuffer>>;

/** The entry of an encoder thread: one pair at a time, each in a kernel of its own. */
function main(module: WebAssembly.Module): void {
  const port = parentPort;
  if (port === null) throw new TypeError('encode-worker runs as a worker thread only');
  const post = (message: FromWorker, streams: StepStreams = []): void => {
    port.postMessage(
      message,
      streams.map((bytes) => bytes.buffer),
    );
  };
  let receive: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
  const need: Need = (side, offset, into) =>
    new Promise((resolve) => {
      receive = resolve;
      post({ kind: 'need', side, offset, into }, [into]);
    });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'piece') receive?.(message.bytes);
    else void encode(module, message, need, post);
  });
}

async function encode(
  module: WebAssembly.Module,
  order: EncodeOrder,
  need: Need,
  post: (message: FromWorker, streams?: StepStreams) => void,
): Promise<void> {
  try {
    const kernel = new Kernel(module, {
      read: () => {
        throw new RangeError('the encoder holds all bytes');
      },
    });
    await load(kernel, order, need);
    kernel.call('align');
    const literalBytes = kernel.call('literalBytes');
    if (literalBytes > Math.max(MAX_LITERAL_BYTES, order.newBytes * MAX_LITERAL_SHARE)) {
      post({ kind: 'refused', literalBytes });
      return;
    }
    kernel.call('encodeControl');
    const control = takeOutputs(kernel);
    post({ kind: 'control', streams: control }, control);
    for (let from = 0; from < order.newBytes;) {
      const end = kernel.call('sectionEnd', from);
      kernel.call('encodeSection', from);
      const streams = takeOutputs(kernel);
      post({ kind: 'section', section: { end, streams } }, streams);
      if (end <= from) throw new RangeError(`a section from ${from} ends at ${end}`);
      from = end;
    }
    post({ kind: 'done', statistics: kernel.statistics() });
  } catch (error) {
    const code = error instanceof DeltaError ? error.code : 'corrupt';
    post({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Opens a session and fills it with the old and new bytes. */
async function load(
  kernel: Kernel,
  { profile, sources, newBytes }: EncodeOrder,
  need: Need,
): Promise<void> {
  const oldBytes = sources.reduce((sum, bytes) => sum + bytes, 0);
  kernel.call('openEncoder', oldBytes, newBytes, sources.length, profile);
  let offset = 0;
  sources.forEach((bytes, n) => {
    kernel.call('setSource', n, offset, bytes);
    offset += bytes;
  });
  const places = [
    ['old', kernel.call('oldPointer'), oldBytes],
    ['new', kernel.call('newPointer'), newBytes],
  ] as const;
  let { buffer } = new Uint8Array(PIECE_BYTES);
  for (const [side, pointer, size] of places) {
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, size - at);
      const piece = await need(side, at, new Uint8Array(buffer, 0, length));
      kernel.bytes(pointer + at, length).set(piece);
      ({ buffer } = piece);
    }
  }
}

/** Copies of what the last call made. */
function takeOutputs(kernel: Kernel): StepStreams {
  return Array.from(
    { length: kernel.call('outputStreams') },
    (_, n) => new Uint8Array(kernel.output(n)),
  );
}

const { module, leftOut } = workerData as EncoderData;
leaveOut(leftOut);
main(module);
