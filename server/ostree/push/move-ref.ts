import { parseChecksum } from '../../../delta/ostree/objects/checksum.ts';
import { objectFileName } from '../../../delta/ostree/objects/object-name.ts';
import { StorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { OstreeObjectName } from '../../../storage/ostree/object-name.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { HttpError } from '../../http/errors.ts';
import type { OstreeOptions } from '../options.ts';
import { readMetadataObject } from '../read-object.ts';
import { addCommitmeta } from '../signing/add-commitmeta.ts';
import { signBytes, whyUnsigned } from '../signing/sign-commit.ts';

/** Gaps of a closure that a refusal names. */
const TOLD_GAPS = 100;

export interface RefMove {
  readonly repo: RepoName;
  readonly ref: OstreeRef;
  readonly commit: OstreeChecksum;
  /** Where the ref has to be; undefined: it must not be there yet. */
  readonly expected: OstreeChecksum | undefined | 'any';
}

/**
 * Moves a ref as a compare-and-swap, to a commit that is whole, signed as the repository's rules want,
 * and signed by the server before anybody can see it there. Throws `conflict` with what the ref is now
 * (`actual`), `incomplete` with the first missing names (`missing`), `unsigned`.
 */
export async function moveRef(
  options: OstreeOptions,
  move: RefMove,
  { signal }: IoOptions = {},
): Promise<void> {
  const { ostree } = options.catalog;
  const { repo, ref, commit, expected } = move;
  const { signers, verifiers } = options.policies.of(repo);
  if (signers.length + verifiers.length > 0) {
    const now = await ostree.resolveRef(repo, ref);
    if (expected !== 'any' && now !== expected && now !== commit) throw movedMeanwhile(move, now);
    const gaps = await ostree.closureGaps(repo, commit, TOLD_GAPS);
    const bytes = await readMetadataObject(options, repo, { kind: 'commit', checksum: commit });
    if (gaps.length > 0 || bytes === undefined) throw incomplete(move, gaps);
    if (verifiers.length > 0) {
      const present = await ostree.commitmeta(repo, commit);
      const why = await whyUnsigned(verifiers, bytes, present?.bytes, { signal });
      if (why !== undefined) {
        throw new HttpError('unsigned', `${repo} takes signed commits only, ${commit}: ${why}`);
      }
    }
    if (signers.length > 0) {
      const signatures = await signBytes(signers, bytes, { signal });
      // What the ref is at was signed when it went there; what it goes to may bear a name but no signature of ours.
      const sameKey = now === commit ? 'older' : 'newer';
      await addCommitmeta(options.catalog, repo, commit, signatures, sameKey);
    }
  }
  try {
    await ostree.moveRef(repo, ref, commit, expected);
  } catch (error) {
    throw refusedMove(move, error);
  }
  await options.onRefMoved?.(repo, ref);
}

function refusedMove(move: RefMove, error: unknown): unknown {
  if (!(error instanceof StorageError)) return error;
  const { actual, missing } = error.detail;
  if (error.code === 'conflict') return movedMeanwhile(move, actual);
  return error.code === 'missing' && Array.isArray(missing)
    ? incomplete(move, missing as readonly OstreeObjectName[])
    : error;
}

function movedMeanwhile({ ref, expected }: RefMove, actual: unknown): HttpError {
  const now = typeof actual === 'string' ? actual : null;
  return new HttpError(
    'conflict',
    `${ref} is ${now === null ? 'not there' : `at ${now}`}, expected ${expected ?? 'none'}: look at what it is now`,
    { detail: { actual: now } },
  );
}

function incomplete({ ref, commit }: RefMove, gaps: readonly OstreeObjectName[]): HttpError {
  const missing = gaps.map(({ kind, checksum }) =>
    objectFileName({ kind, checksum: parseChecksum(checksum) }),
  );
  return new HttpError(
    'incomplete',
    `${ref} can't move to ${commit}: the repository lacks ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ' and more' : ''}; push them first`,
    { detail: { missing } },
  );
}
