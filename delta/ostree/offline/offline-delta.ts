import { StorageError } from '../../../storage/errors.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import { digestOf } from '../../../storage/digest.ts';
import { DeltaError } from '../../errors.ts';
import { deltaIndexPath, deltaPath, type DeltaName } from '../checksum-base64.ts';
import { parseDeltaIndex } from '../delta-index.ts';
import { checksumOf } from '../objects/checksum.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';
import type { RepoFiles } from '../source/repo-files.ts';
import { formatSuperblock } from '../static-delta/format-superblock.ts';
import { STATIC_DELTA_LIMITS } from '../static-delta/limits.ts';
import { parseSuperblock } from '../static-delta/parse-superblock.ts';
import type { DeltaPart, Superblock } from '../static-delta/superblock.ts';
import { fallbackParts } from './fallback-parts.ts';

export interface OfflineDeltaInput extends IoOptions {
  /** An archive repository that publishes the delta. */
  readonly files: RepoFiles;
  readonly delta: DeltaName;
  /** A folder for what is too large for memory. */
  readonly scratch: string;
}

const SHOWN_BASES = 5;

/**
 * A static delta that a repository publishes as one superblock that holds all its parts, for `ostree
 * static-delta apply-offline`: nothing else is fetched then. What the delta leaves to be fetched beside it
 * comes in parts of their own. Digests of superblock and parts are checked, and the objects of those
 * further parts. Throws `missing` when there is no such delta, `corrupt` for what is not as it was
 * listed, `too_large` where all is more than a superblock may be (128 MiB).
 */
export async function offlineDelta(input: OfflineDeltaInput): Promise<Buffer> {
  const superblock = await publishedSuperblock(input);
  const { parts, fallbacks } = superblock;
  const total =
    parts.reduce((sum, { size }) => sum + size, 0) +
    fallbacks.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
  if (total > STATIC_DELTA_LIMITS.superblockBytes) {
    throw new DeltaError(
      'too_large',
      `the delta has ${total} bytes, and a file of one at most ${STATIC_DELTA_LIMITS.superblockBytes}: take one from a nearer commit`,
    );
  }
  const inline: DeltaPart[] = [];
  for (const [number, part] of parts.entries()) {
    inline.push(part.inline === undefined ? await withBytes(input, part, number) : part);
  }
  inline.push(...(await fallbackParts(fallbacks, inline.length, input)));
  return formatSuperblock({ ...superblock, parts: inline, fallbacks: [] });
}

/** The superblock, as the delta index says that it is. */
async function publishedSuperblock(input: OfflineDeltaInput): Promise<Superblock> {
  const { files, delta, signal } = input;
  const index = await files.read(deltaIndexPath(delta.to), OBJECT_LIMITS.metadataBytes, { signal });
  const listed = index === undefined ? [] : parseDeltaIndex(index);
  const entry = listed.find((one) => one.delta.from === delta.from);
  if (entry === undefined) {
    throw new StorageError(
      'missing',
      `${files.label} has no delta ${wordsOf(delta)}${others(listed)}`,
    );
  }
  const path = deltaPath({ delta, file: 'superblock' });
  const bytes = await files.read(path, STATIC_DELTA_LIMITS.superblockBytes, { signal });
  if (bytes === undefined || digestOf(bytes) !== entry.superblock) {
    throw new StorageError(
      'unavailable',
      `${files.label} published the delta ${wordsOf(delta)} anew meanwhile: try again`,
    );
  }
  const superblock = parseSuperblock(bytes);
  if (superblock.from !== delta.from || superblock.to !== delta.to) {
    throw new DeltaError('bad_format', `${path} in ${files.label} is the delta of other commits`);
  }
  return superblock;
}

async function withBytes(
  { files, delta, signal }: OfflineDeltaInput,
  part: DeltaPart,
  number: number,
): Promise<DeltaPart> {
  const path = deltaPath({ delta, file: number });
  const bytes = await files.read(path, part.size, { signal });
  if (bytes === undefined) {
    throw new StorageError('missing', `${files.label} lacks part ${number} of the delta`);
  }
  if (bytes.length !== part.size || checksumOf(bytes) !== part.checksum) {
    throw new StorageError('corrupt', `${path} in ${files.label} is not what the superblock says`);
  }
  return { ...part, inline: bytes };
}

function wordsOf({ from, to }: DeltaName): string {
  return from === undefined ? `from scratch to ${to}` : `from ${from} to ${to}`;
}

/** What there is instead. */
function others(listed: readonly { readonly delta: DeltaName }[]): string {
  if (listed.length === 0) return ', and none to that commit';
  const bases = listed.map(({ delta }) => delta.from ?? 'scratch');
  const shown = bases.slice(0, SHOWN_BASES).join(', ');
  return `; there are such from ${shown}${bases.length > SHOWN_BASES ? ', ...' : ''}`;
}
