import type { IoOptions } from '../../../../storage/object-store.ts';
import { checkAborted } from '../../../errors.ts';
import { withScratch } from '../../../scratch.ts';
import type { DeltaName } from '../../checksum-base64.ts';
import type { DictionaryEntry } from '../../gvariant/dictionary.ts';
import { formatSuperblock } from '../format-superblock.ts';
import { KernelMatcher } from '../match/kernel-matcher.ts';
import type { Matcher } from '../segment.ts';
import { Spool } from '../spool.ts';
import { ContentKeys } from './content-keys.ts';
import { DeltaKernel } from './delta-kernel.ts';
import type { DeltaObject, FileObject, ObjectSource, TreeObject } from './delta-objects.ts';
import type { DeltaSink } from './delta-sink.ts';
import { FileCoder } from './file-coder.ts';
import { holdingFiles } from './held-content.ts';
import { PAIR_BYTES } from './match-limits.ts';
import { inFileOrder, inTreeOrder } from './object-order.ts';
import { OldFiles } from './old-files.ts';
import { PartRun } from './part-run.ts';
import type { ObjectStatistics } from './statistics.ts';

/**
 * A part ends after this much payload, as the stock command's do: a client has room for it while it
 * unpacks, and for a dictionary of the same size.
 */
const PART_BYTES = 32 * 1024 * 1024;
/** It ends after about this many compressed bytes, too: what a client loses when a transfer breaks. */
const WIRE_BYTES = 4 * 1024 * 1024;
/** The sane default: -9 saves 0.2 % for eight times the memory. */
const XZ_PRESET = 6;

export interface BuildDeltaInput extends IoOptions, DeltaName {
  /** The bytes of the to-commit. */
  readonly commit: Uint8Array;
  /** Its detached metadata, signatures above all. */
  readonly commitmeta?: readonly DictionaryEntry[] | undefined;
  /** When the delta was made: seconds since 1970. */
  readonly timestamp: bigint;
  /** What the from-commit holds, in any order; nothing for a delta from scratch. */
  readonly oldObjects: readonly DeltaObject[];
  /** What the to-commit holds, in any order. */
  readonly newObjects: readonly DeltaObject[];
  readonly source: ObjectSource;
  readonly sink: DeltaSink;
  /** Folder for what is too large for memory; it is left as it was. */
  readonly scratch: string;
  readonly options?: BuildDeltaOptions | undefined;
}

export interface BuildDeltaOptions {
  /** Payload after which a part ends; one object alone may have more. 32 MiB when absent. */
  readonly partBytes?: number | undefined;
  /** About how many compressed bytes end a part likewise. 4 MiB when absent. */
  readonly wireBytes?: number | undefined;
  /** Of xz, 0 to 9: for liblzma in the place of the kernel's encoder. */
  readonly preset?: number | undefined;
  /** Part files of up to this many bytes travel in the superblock; none when absent. */
  readonly inlineBytes?: number | undefined;
  /** Old and new bytes that are matched in memory at once; larger pairs go by windows. 384 MiB when absent. */
  readonly pairBytes?: number | undefined;
  /** Finds what changed in a file; the kernel's when absent. */
  readonly matcher?: Matcher | undefined;
}

export interface BuiltDelta {
  /** Bytes of the superblock. */
  readonly superblock: Buffer;
  /** Bytes of the part files, inline ones included. */
  readonly partBytes: number;
  /** Bytes of the fallback objects as they are served. */
  readonly fallbackBytes: number;
  /** Every new object, in the delta's order; fallbacks where they would stand. */
  readonly objects: readonly ObjectStatistics[];
}

/**
 * Makes a static delta between two commits, or from scratch, into the sink: the parts as they are done,
 * then the superblock. The same input gives the same bytes, whatever the order of the objects. Sources
 * are files of the from-commit and of the same part, and only such as anybody may read. Throws
 * `too_large` for a superblock past what clients take, `aborted`; errors of `source` and `sink` pass
 * through, and then the sink has got no superblock.
 */
export async function buildStaticDelta(input: BuildDeltaInput): Promise<BuiltDelta> {
  const { from, to, commit, commitmeta, timestamp, sink } = input;
  return withScratch(input.scratch, 'ostree-build-', async (folder) => {
    const run = await buildParts(input, folder);
    const { parts, fallbacks, objects } = run;
    const superblock = formatSuperblock({
      from,
      to,
      commit,
      commitmeta,
      timestamp,
      parts,
      fallbacks,
    });
    await sink.superblock(superblock);
    return {
      superblock,
      partBytes: parts.reduce((total, { size }) => total + size, 0),
      fallbackBytes: fallbacks.reduce((total, { compressedBytes }) => total + compressedBytes, 0),
      objects,
    };
  });
}

async function buildParts(input: BuildDeltaInput, folder: string): Promise<PartRun> {
  const { sink, signal, options = {} } = input;
  const source = holdingFiles(input.source);
  const streams = new Spool(folder);
  const kernel = await DeltaKernel.compile();
  const { preset = XZ_PRESET, matcher = new KernelMatcher(kernel) } = options;
  const { partBytes = PART_BYTES, wireBytes = WIRE_BYTES } = options;
  const { pairBytes = PAIR_BYTES, inlineBytes = 0 } = options;
  const kept = new Set(input.newObjects.filter(isFile).map(({ checksum }) => checksum));
  const oldFiles = new OldFiles(input.oldObjects.filter(isFile), source, { kept, signal });
  const coder = new FileCoder(oldFiles, { matcher, pairBytes, spool: streams, signal });
  const encoder = options.preset === undefined ? kernel : undefined;
  const pack = { sink, folder, preset, kernel: encoder, inlineBytes, signal };
  const known = new Set(input.oldObjects.map(keyOf));
  const fresh = input.newObjects.filter((object) => !known.has(keyOf(object)));
  const keys = new ContentKeys(fresh.filter(isFile), { signal });
  const run = new PartRun({ source, coder, keys, partBytes, wireBytes, pack });
  try {
    for (const object of inTreeOrder(fresh.filter(isTree))) await run.addMetadata(object);
    for (const file of inFileOrder(fresh.filter(isFile))) {
      checkAborted(signal, 'building a delta');
      await run.addFile(file);
      streams.rewind(0);
    }
    await run.end();
    return run;
  } finally {
    await run.close();
    await streams.close();
  }
}

function isFile(object: DeltaObject): object is FileObject {
  return object.kind === 'file';
}

function isTree(object: DeltaObject): object is TreeObject {
  return object.kind !== 'file';
}

function keyOf({ kind, checksum }: DeltaObject): string {
  return `${kind} ${checksum}`;
}
