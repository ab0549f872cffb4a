import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { fromErrno } from '../storage/durable.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { MAX_FRAME_RAW_BYTES, MAX_LEVEL, compressFrame } from '../storage/zstd.ts';
import { checkAborted } from './errors.ts';
import { formatHeader, VERSION } from './format/header.ts';
import { EFFORTS } from './format/stream.ts';
import { joinFile } from './join-file.ts';
import { isFarBelow } from './plan/alone-bytes.ts';
import type { BuildReport, WriteDeltaInput } from './write-delta.ts';

/** A window of zstd's highest level here, and what the streaming decoder leaves to the collector (measured). */
const RAM_BYTES = 40 * 1024 * 1024;
/** Deltas of a few bytes are not beaten. */
const MIN_DELTA_BYTES = 256;

/**
 * Replaces a file's delta by the new bytes compressed as a whole where that is smaller: with a window
 * larger than a frame's, and one head. Undefined when the delta stays.
 */
export async function writeWholeIfSmaller(
  input: WriteDeltaInput,
  report: BuildReport,
): Promise<BuildReport | undefined> {
  const [output] = input.outputs;
  const [base] = input.bases;
  if (input.kind !== 'file' || base === undefined || output?.reuse !== false) return undefined;
  if (report.size <= MIN_DELTA_BYTES) return undefined;
  const { access, size, diffId } = output;
  if (await isFarBelow(report.size, access)) return undefined;
  const head = await formatHeader(
    {
      ...{ version: VERSION, kind: 'file', ramBytes: RAM_BYTES, framesBytes: 0, isWhole: true },
      base: [base],
      outputs: [{ diffId, size, reuse: false }],
    },
    EFFORTS[input.profile],
  );
  const path = join(input.scratch, `whole-${randomUUID()}`);
  try {
    const wholeBytes = await compressInto(path, access, input.signal);
    if (head.length + wholeBytes >= report.size) return undefined;
    const digest = await joinFile(head, path, input.output);
    const codecs = { zstd: { files: 1, bytes: size } };
    return { digest, size: head.length + wholeBytes, ramBytes: RAM_BYTES, codecs };
  } catch (error) {
    throw fromErrno(error, `writing the delta ${input.output}`);
  } finally {
    await rm(path, { force: true });
  }
}

/** Writes zstd frames of the strongest level, each as long as may be; returns their bytes. */
async function compressInto(
  path: string,
  source: RandomAccess,
  signal: AbortSignal | undefined,
): Promise<number> {
  let sum = 0;
  const file = await open(path, 'wx');
  try {
    for (let at = 0; at < source.size; at += MAX_FRAME_RAW_BYTES) {
      checkAborted(signal, 'compressing a file');
      const raw = await source.read(at, Math.min(MAX_FRAME_RAW_BYTES, source.size - at));
      const frame = await compressFrame(raw, MAX_LEVEL);
      await file.writeFile(frame);
      sum += frame.length;
    }
  } finally {
    await file.close();
  }
  return sum;
}
