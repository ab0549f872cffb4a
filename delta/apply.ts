import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { DigestHasher, digestAlgorithm, type Digest } from '../storage/digest.ts';
import type { IoOptions } from '../storage/object-store.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { hashRange } from './digest-range.ts';
import { PairDecoder } from './engine/pair-decoder.ts';
import { checkAborted, DeltaError } from './errors.ts';
import { checkImageFacts } from './format/image-facts.ts';
import { BaseSpace } from './format/base-space.ts';
import { isDigestOf, type DeltaKind, type OutputFacts } from './format/facts.ts';
import { readHeader } from './format/header.ts';
import { OutputRun } from './output-run.ts';
import type { WholeRun } from './whole-run.ts';

/** One file that the delta leads to. */
export interface DeltaOutput extends OutputFacts {
  /** Position in `DeltaFile.outputs`. */
  readonly index: number;
}

/** A delta whose header was parsed and checked. */
export interface DeltaFile {
  /** Format version. */
  readonly version: 1 | 2;
  readonly kind: DeltaKind;
  /** Image manifests; images only. */
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  /** The target's manifest and config, byte-exact and checked against their digests; images only. */
  readonly manifestBytes?: Buffer | undefined;
  readonly manifestType?: string | undefined;
  readonly configBytes?: Buffer | undefined;
  /** Old tars (or the one old file) that the delta reads. */
  readonly base: readonly { readonly diffId: Digest; readonly size: number }[];
  /** Images: the distinct layers of the target, lowest first. */
  readonly outputs: readonly DeltaOutput[];
  /** Memory that applying takes beside the process. */
  readonly ramBytes: number;
  /** Where the delta's bytes come from, and where its frames begin. */
  readonly source: RandomAccess;
  readonly framesOffset: number;
  /** True if the output follows compressed as a whole instead of in frames. */
  readonly isWhole: boolean;
}

/** Old files by digest. The applier checks their size; frames' digests catch changed content. */
export interface DeltaBase {
  /** Undefined when the device has no such tar. */
  tar(diffId: Digest): Promise<RandomAccess | undefined>;
}

/** Where outputs go. */
export interface DeltaSink {
  /**
   * What an interrupted apply left of this output, if anything. Its frames are checked against the
   * delta, and the apply goes on after the last good one.
   */
  existing?(output: DeltaOutput): Promise<RandomAccess | undefined>;
  /**
   * Opens one output for writing at byte `start` (0, or what of `existing` was good: cut the file
   * there). Called in order, never for `reuse`. The stream is ended when the output is complete and
   * its digest right, and destroyed with the error otherwise. What is written to it is overwritten
   * once the write's callback was called: a sink that keeps bytes copies them.
   */
  output(output: DeltaOutput, start: number): Promise<Writable>;
}

export interface ApplyOptions extends IoOptions {
  /** Bytes of output made so far, of all outputs that are not reused. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Parses and checks a delta's header; for an image also that the manifest has its digest, names the
 * config, and that the config's diff_ids are the outputs. Throws `unsupported_version` or `bad_format`.
 */
export async function openDelta(source: RandomAccess): Promise<DeltaFile> {
  const { header, framesOffset } = await readHeader(source);
  if (header.image !== undefined) checkImageFacts(header.image, header.outputs);
  return {
    version: header.version,
    kind: header.kind,
    from: header.image?.from,
    to: header.image?.to,
    manifestBytes: header.image?.manifestBytes,
    manifestType: header.image?.mediaType,
    configBytes: header.image?.configBytes,
    base: header.base,
    outputs: header.outputs.map((output, index) => ({ ...output, index })),
    ramBytes: header.ramBytes,
    source,
    framesOffset,
    isWhole: header.isWhole,
  };
}

/**
 * Makes every output that is not reused. Throws `wrong_base` before anything is written when a base
 * tar is missing or has another size; `bad_format` and `output_mismatch` for a broken delta or base;
 * `aborted`. Errors of the sink's streams and of the base pass through.
 */
export async function applyDelta(
  delta: DeltaFile,
  base: DeltaBase,
  sink: DeltaSink,
  options: ApplyOptions = {},
): Promise<void> {
  const space = new BaseSpace(await openBase(delta, base));
  let decoder: Promise<PairDecoder> | undefined;
  const load = (): Promise<PairDecoder> => (decoder ??= PairDecoder.load(space));
  const made = delta.outputs.filter((output) => !output.reuse);
  const total = made.reduce((sum, output) => sum + output.size, 0);
  let done = 0;
  let frameOffset = delta.framesOffset;
  for (const output of made) {
    checkAborted(options.signal, 'applying the delta');
    const { source, version } = delta;
    const run = delta.isWhole
      ? await openWhole(source, frameOffset, output, options.signal)
      : new OutputRun(source, version, frameOffset, output, space, load, options.signal);
    const existing = await sink.existing?.(output);
    if (existing !== undefined) await run.resume(existing);
    const report = (bytes: number): void => options.onProgress?.(done + bytes, total);
    await writeOutput(run, sink, output, report, options.signal);
    done += output.size;
    frameOffset = run.frameOffset;
  }
  if (frameOffset !== delta.source.size) {
    throw new DeltaError(
      'bad_format',
      `the delta has ${delta.source.size - frameOffset} bytes after its last frame`,
    );
  }
}

/** Few deltas need what opens these, and a device starts sooner without it. */
async function openWhole(...args: ConstructorParameters<typeof WholeRun>): Promise<WholeRun> {
  const { WholeRun } = await import('./whole-run.ts');
  return new WholeRun(...args);
}

async function writeOutput(
  run: OutputRun | WholeRun,
  sink: DeltaSink,
  output: DeltaOutput,
  onBytes: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stream = await sink.output(output, run.done);
  // `end` reports a failing disk; without a listener of our own it would be an uncaught error once
  // `end` was settled by an abort.
  stream.on('error', () => undefined);
  const end = finished(stream, { readable: false, signal });
  end.catch(() => undefined);
  try {
    onBytes(run.done);
    let written: Promise<void> | undefined;
    for await (const piece of run.pieces()) {
      // The buffer of the last piece is filled next: it must be written by then.
      if (written !== undefined) await Promise.race([written, end]);
      written = write(stream, piece);
      written.catch(() => undefined);
      onBytes(run.done);
    }
    stream.end();
    await end;
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
    checkAborted(signal, 'applying the delta');
    throw error;
  }
}

function write(stream: Writable, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(piece, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/** Opens every base tar, and looks for every reused layer, before anything is written. */
async function openBase(delta: DeltaFile, base: DeltaBase): Promise<RandomAccess[]> {
  const files: RandomAccess[] = [];
  for (const expected of delta.base) files.push(await openBaseFile(base, expected));
  for (const output of delta.outputs) if (output.reuse) await openBaseFile(base, output);
  return files;
}

async function openBaseFile(
  base: DeltaBase,
  expected: { readonly diffId: Digest; readonly size: number },
): Promise<RandomAccess> {
  const file = await base.tar(expected.diffId);
  const found = file === undefined ? 'it is not there' : `found ${file.size} bytes`;
  if (file?.size !== expected.size) {
    throw new DeltaError(
      'wrong_base',
      `the delta needs ${expected.diffId} (${expected.size} bytes) as its base, but ${found}`,
      { detail: { expected: expected.diffId, size: expected.size, found: file?.size } },
    );
  }
  return file;
}

/** Reads a whole file and compares its digest; `wrong_base` naming both when it is another one. */
export async function checkBaseFile(
  file: RandomAccess,
  expected: { readonly diffId: Digest; readonly size: number },
  options: IoOptions = {},
): Promise<void> {
  const hasher = new DigestHasher(digestAlgorithm(expected.diffId));
  await hashRange(file, { start: 0, length: file.size }, [hasher], options);
  const found = hasher.digest();
  if (!isDigestOf(expected.diffId, found)) {
    throw new DeltaError(
      'wrong_base',
      `the delta was made from ${expected.diffId} (${expected.size} bytes), the file at hand is ${found} (${file.size} bytes)`,
      { detail: { expected: expected.diffId, found } },
    );
  }
}
