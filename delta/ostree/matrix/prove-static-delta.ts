import { performance } from 'node:perf_hooks';

import type { ByteSource, IoOptions } from '../../../storage/object-store.ts';
import { DeltaError } from '../../errors.ts';
import type { DeltaName } from '../checksum-base64.ts';
import type { Checksum } from '../objects/checksum.ts';
import { applyStaticDelta } from '../static-delta/apply.ts';
import type { DeltaObject } from '../static-delta/build/delta-objects.ts';
import type { OpenedFile } from '../static-delta/object-sink.ts';
import { parseSuperblock } from '../static-delta/parse-superblock.ts';
import { keyOf } from './commit-tree.ts';

export interface StaticProofOptions extends IoOptions {
  readonly name: DeltaName;
  /** As clients get it, commitmeta apart. */
  readonly superblock: Uint8Array;
  /** The bytes of a part from where clients will get them. */
  readonly readPart: (number: number) => Promise<ByteSource>;
  /** What the from-commit holds. */
  readonly oldObjects: readonly DeltaObject[];
  /** What the to-commit holds and the from-commit does not. */
  readonly freshObjects: readonly DeltaObject[];
  /** A file of the from-commit, from the store. */
  readonly openBase: (checksum: Checksum) => Promise<OpenedFile>;
  readonly scratch: string;
  /** 0 to 1, ascending. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/**
 * Applies a static delta as a client does, to nothing but the from-commit's objects, and compares: each
 * object's checksum (which the applier does), and that the parts and fallbacks together are what the
 * client lacks. Throws `output_mismatch` when they are not, `wrong_base` for a source that the
 * from-commit does not hold, and what `applyStaticDelta` throws.
 */
export async function proveStaticDelta(
  options: StaticProofOptions,
): Promise<{ readonly applyMs: number }> {
  const { name, oldObjects, freshObjects, signal } = options;
  const started = performance.now();
  const superblock = parseSuperblock(options.superblock);
  if (superblock.from !== name.from || superblock.to !== name.to) {
    throw new DeltaError(
      'output_mismatch',
      `the delta leads from ${superblock.from ?? 'scratch'} to ${superblock.to}, not from ${name.from ?? 'scratch'} to ${name.to}`,
    );
  }
  const base = new Set(oldObjects.flatMap((o) => (o.kind === 'file' ? [o.checksum] : [])));
  const lacking = new Set(freshObjects.map(({ kind, checksum }) => keyOf(kind, checksum)));
  const total = Math.max(1, lacking.size);
  const made = (key: string): Promise<void> => {
    if (!lacking.delete(key)) {
      throw new DeltaError('output_mismatch', `the delta makes ${key}, which nobody lacks`);
    }
    options.onProgress?.(1 - lacking.size / total);
    return Promise.resolve();
  };
  await applyStaticDelta({
    superblock,
    readPart: options.readPart,
    openBase: (checksum) => {
      if (base.has(checksum)) return options.openBase(checksum);
      throw new DeltaError('wrong_base', `the base has no file ${checksum}`);
    },
    sink: {
      metadata: (kind, checksum) => made(keyOf(kind, checksum)),
      file: (checksum) => made(keyOf('file', checksum)),
    },
    scratch: options.scratch,
    signal,
  });
  for (const { kind, checksum } of superblock.fallbacks) await made(keyOf(kind, checksum));
  const [left] = lacking;
  if (left !== undefined) {
    throw new DeltaError('output_mismatch', `the delta lacks ${lacking.size} objects, as ${left}`);
  }
  return { applyMs: Math.round(performance.now() - started) };
}
