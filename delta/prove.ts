import { performance } from 'node:perf_hooks';
import { Writable } from 'node:stream';

import type { IoOptions } from '../storage/object-store.ts';
import { FileAccess } from '../storage/random-access.ts';
import { applyDelta, openDelta, type DeltaFile } from './apply.ts';
import { DeltaError } from './errors.ts';
import type { Image } from './image.ts';
import type { LayerSet } from './layers.ts';

export interface ProofOptions extends IoOptions {
  /** The delta file. */
  readonly delta: string;
  /** What devices have: the old image's layers as uncompressed tars. */
  readonly from: LayerSet;
  readonly to: Image;
  /** 0 to 1, ascending. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Applies a delta as a device does and compares everything: the header's images, manifest and config,
 * and each output's digest (which the applier checks). Throws `output_mismatch` when the delta leads
 * elsewhere, and what {@link applyDelta} throws.
 */
export async function proveImageDelta(
  options: ProofOptions,
): Promise<{ readonly applyMs: number }> {
  const source = await FileAccess.open(options.delta);
  try {
    const started = performance.now();
    const delta = await openDelta(source);
    checkImages(delta, options);
    await applyDelta(
      delta,
      { tar: (diffId) => options.from.tar(diffId) },
      { output: () => Promise.resolve(new NullSink()) },
      {
        signal: options.signal,
        onProgress: (done, total) => options.onProgress?.(total === 0 ? 1 : done / total),
      },
    );
    return { applyMs: Math.round(performance.now() - started) };
  } finally {
    await source.close();
  }
}

/** Applies a file or tar delta to its old file as a device does; throws what {@link applyDelta} throws. */
export async function proveFileDelta(
  options: IoOptions & {
    /** The delta file. */
    readonly delta: string;
    /** The old file. */
    readonly old: string;
    /** 0 to 1, ascending. */
    readonly onProgress?: ((fraction: number) => void) | undefined;
  },
): Promise<void> {
  const source = await FileAccess.open(options.delta);
  const old = await FileAccess.open(options.old);
  try {
    await applyDelta(
      await openDelta(source),
      { tar: () => Promise.resolve(old) },
      { output: () => Promise.resolve(new NullSink()) },
      {
        signal: options.signal,
        onProgress: (done, total) => options.onProgress?.(total === 0 ? 1 : done / total),
      },
    );
  } finally {
    await source.close();
    await old.close();
  }
}

function checkImages(delta: DeltaFile, { from, to }: ProofOptions): void {
  const checks = [
    ['old manifest', delta.from, from.image.manifest.digest],
    ['new manifest', delta.to, to.manifest.digest],
  ] as const;
  for (const [what, found, expected] of checks) {
    if (found === expected) continue;
    throw new DeltaError(
      'output_mismatch',
      `the delta's ${what} is ${found ?? 'none'}, not ${expected}`,
    );
  }
}

/** The applier checks what passes; nothing has to be kept. */
class NullSink extends Writable {
  override _write(_bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}
