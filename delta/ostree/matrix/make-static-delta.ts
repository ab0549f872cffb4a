import { performance } from 'node:perf_hooks';

import type { BlobStore } from '../../../storage/blob-store.ts';
import type { OstreeCatalog } from '../../../storage/catalog/ostree-catalog.ts';
import type {
  OstreeDeltaFile,
  OstreeDeltaName,
  OstreeDeltaResult,
} from '../../../storage/catalog/ostree-delta-catalog.ts';
import type { Clock } from '../../../storage/clock.ts';
import { digestOf, parseDigest } from '../../../storage/digest.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import type { DeltaName } from '../checksum-base64.ts';
import { parseChecksum } from '../objects/checksum.ts';
import { buildStaticDelta, type BuiltDelta } from '../static-delta/build/build-delta.ts';
import type { DeltaObject, ObjectSource } from '../static-delta/build/delta-objects.ts';
import type { DeltaSink } from '../static-delta/build/delta-sink.ts';
import { CommitTrees, keyOf, type CommitTree } from './commit-tree.ts';
import { looseBytesOf, storedBytesOf } from './loose-bytes.ts';
import { proveStaticDelta } from './prove-static-delta.ts';
import { StoredObjects } from './stored-objects.ts';

export interface MakeStaticDeltaDeps extends IoOptions {
  readonly blobs: BlobStore;
  readonly ostree: Pick<OstreeCatalog, 'object' | 'chunksOf' | 'closure'>;
  readonly clock: Clock;
  /** Told of each part once it is stored, in their order. */
  readonly keepFile: (file: OstreeDeltaFile) => Promise<void>;
  readonly onProgress: (phase: 'building' | 'proving', fraction: number) => void;
}

export interface MadeStaticDelta {
  readonly result: OstreeDeltaResult;
  /** All of them stored: the parts, and the superblock without commitmeta; none of a refused one. */
  readonly files: readonly OstreeDeltaFile[];
  /** Why it is not worth publishing, with the figures; undefined if it is. */
  readonly refusal: string | undefined;
}

/** What both ends of a delta hold. */
interface Ends {
  readonly name: DeltaName;
  readonly store: StoredObjects;
  readonly old: readonly DeltaObject[];
  readonly to: CommitTree;
  /** What only the to-commit holds. */
  readonly fresh: readonly DeltaObject[];
}

/**
 * Builds the static delta of a pair from the objects in the store, stores its parts as they are done,
 * proves it from there, and stores the superblock last. Memory is that of `buildStaticDelta` and the two
 * trees' names. Throws what building, proving and the store throw; nothing is published then.
 */
export async function makeStaticDelta(
  deps: MakeStaticDeltaDeps,
  { repo, from, to }: OstreeDeltaName,
  scratch: string,
): Promise<MadeStaticDelta> {
  const { blobs, signal } = deps;
  const name = { from: from && parseChecksum(from), to: parseChecksum(to) };
  const ends = await readEnds(new StoredObjects(repo, deps), name, { signal });
  const started = performance.now();
  const parts: OstreeDeltaFile[] = [];
  const built = await build(deps, ends, scratch, parts);
  const buildMs = Math.round(performance.now() - started);
  const { applyMs } = await proveStaticDelta({
    name,
    superblock: built.superblock,
    readPart: (number) => blobs.open(partDigest(parts, number), { signal }),
    oldObjects: ends.old,
    freshObjects: ends.fresh,
    openBase: (checksum) => ends.store.openFile(checksum),
    scratch,
    signal,
    onProgress: (fraction) => {
      deps.onProgress('proving', fraction);
    },
  });
  const result = { ...(await weigh(ends, built, parts.length, { signal })), buildMs, applyMs };
  const refusal = refusalOf(name, result);
  if (refusal !== undefined) return { result, files: [], refusal };
  return { result, files: [...parts, await storeSuperblock(deps, built.superblock)], refusal };
}

async function readEnds(store: StoredObjects, name: DeltaName, options: IoOptions): Promise<Ends> {
  const trees = new CommitTrees(store, options);
  const old = name.from === undefined ? [] : (await trees.read(name.from)).objects;
  const to = await trees.read(name.to);
  const known = new Set(old.map(({ kind, checksum }) => keyOf(kind, checksum)));
  const fresh = to.objects.filter(({ kind, checksum }) => !known.has(keyOf(kind, checksum)));
  return { name, store, old, to, fresh };
}

async function build(
  deps: MakeStaticDeltaDeps,
  { name, store, old, to, fresh }: Ends,
  scratch: string,
  parts: OstreeDeltaFile[],
): Promise<BuiltDelta> {
  const { blobs, signal } = deps;
  const left = new Set(fresh.map(({ kind, checksum }) => keyOf(kind, checksum)));
  const reached = ({ kind, checksum }: DeltaObject): void => {
    if (left.delete(keyOf(kind, checksum)))
      deps.onProgress('building', 1 - left.size / fresh.length);
  };
  const source: ObjectSource = {
    readMetadata: (object) => {
      reached(object);
      return store.readMetadata(object);
    },
    openContent: (object) => {
      reached(object);
      return store.openFile(object.checksum);
    },
  };
  const sink: DeltaSink = {
    async part(number, part) {
      const { checksum, size } = part;
      const digest = parseDigest(`sha256:${checksum}`);
      await blobs.put(digest, part.pieces(), { size, signal });
      const file = { name: String(number), digest, size };
      await deps.keepFile(file);
      parts.push(file);
    },
    // Stored once it is proved.
    superblock: () => Promise.resolve(),
  };
  return buildStaticDelta({
    ...name,
    commit: to.commit,
    timestamp: BigInt(Math.floor(deps.clock() / 1000)),
    oldObjects: old,
    newObjects: to.objects,
    source,
    sink,
    scratch,
    signal,
  });
}

async function weigh(
  { store, to, fresh }: Ends,
  { superblock, partBytes, fallbackBytes, objects }: BuiltDelta,
  parts: number,
  options: IoOptions,
): Promise<Omit<OstreeDeltaResult, 'buildMs' | 'applyMs'>> {
  const fallbacks = objects.filter(({ coding }) => coding === 'fallback').length;
  const bytes = superblock.length + partBytes + fallbackBytes;
  const stored = to.commit.length + (await storedBytesOf(store, fresh, options));
  // Only where the cheap figure does not tell which is smaller, the exact one is worth its time.
  const full =
    bytes < stored ? stored : to.commit.length + (await looseBytesOf(store, fresh, options));
  return {
    superblockBytes: superblock.length,
    partBytes,
    fallbackBytes,
    fullBytes: full,
    fullRequests: 1 + fresh.length,
    requests: 1 + parts + fallbacks,
  };
}

/**
 * A delta is worth publishing when it takes fewer bytes than the loose objects that it replaces; one
 * from scratch also when it takes fewer requests, of which a first pull else makes one an object.
 */
function refusalOf(
  { from }: DeltaName,
  {
    superblockBytes,
    partBytes,
    fallbackBytes,
    fullBytes,
    requests,
    fullRequests,
  }: OstreeDeltaResult,
): string | undefined {
  const bytes = superblockBytes + partBytes + fallbackBytes;
  if (bytes < fullBytes) return undefined;
  if (from === undefined && requests < fullRequests) return undefined;
  return `the delta takes ${bytes} bytes in ${requests} requests, the loose objects take ${fullBytes} in ${fullRequests}`;
}

async function storeSuperblock(
  { blobs, keepFile, signal }: MakeStaticDeltaDeps,
  bytes: Buffer,
): Promise<OstreeDeltaFile> {
  const file = { name: 'superblock', digest: digestOf(bytes), size: bytes.length };
  await blobs.putBytes(bytes, { digest: file.digest, signal });
  await keepFile(file);
  return file;
}

function partDigest(parts: readonly OstreeDeltaFile[], number: number): OstreeDeltaFile['digest'] {
  const part = parts[number];
  if (part === undefined) throw new RangeError(`there is no part ${number}`);
  return part.digest;
}
