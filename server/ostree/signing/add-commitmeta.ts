import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { mergeCommitmeta, type SameKey } from './merge-commitmeta.ts';

/** Others may add signatures at the same time; so many of them at once are no accident. */
const TRIES = 16;

/**
 * Merges a commitmeta into what the commit has (`mergeCommitmeta`), whoever else does so meanwhile. Throws `missing` when
 * the repository lacks the commit, `too_large`, `conflict` when others never leave it alone.
 */
export async function addCommitmeta(
  { ostree }: Pick<Catalog, 'ostree'>,
  repo: RepoName,
  commit: OstreeChecksum,
  more: Uint8Array,
  sameKey?: SameKey,
): Promise<Buffer> {
  for (let tries = 1; ; tries += 1) {
    const present = (await ostree.commitmeta(repo, commit))?.bytes;
    const merged = mergeCommitmeta(present, more, sameKey);
    if (present?.equals(merged) === true) return merged;
    try {
      await ostree.putCommitmeta(repo, commit, merged, present);
      return merged;
    } catch (error) {
      if (tries === TRIES || !isStorageError(error, 'conflict')) throw error;
    }
  }
}
