import type { OstreeCatalog } from '../../../storage/catalog/ostree-catalog.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';

/** Commits remembered as whole. */
const MAX_REMEMBERED = 4096;

/**
 * Which commits a repository holds whole: only those can be a base, and a device may report anything.
 * A commit that was whole once is so for as long as it is there, since a collector takes it before what
 * it names: after the first time only that is asked.
 */
export class HeldCommits {
  readonly #ostree: Pick<OstreeCatalog, 'object' | 'closureGaps'>;
  readonly #whole = new Set<string>();

  constructor(ostree: Pick<OstreeCatalog, 'object' | 'closureGaps'>) {
    this.#ostree = ostree;
  }

  async has(repo: RepoName, commit: OstreeChecksum): Promise<boolean> {
    const key = `${repo} ${commit}`;
    const name = { kind: 'commit', checksum: commit } as const;
    if ((await this.#ostree.object(repo, name)) === undefined) {
      this.#whole.delete(key);
      return false;
    }
    if (this.#whole.has(key)) return true;
    if ((await this.#ostree.closureGaps(repo, commit, 1)).length > 0) return false;
    if (this.#whole.size >= MAX_REMEMBERED) this.#whole.clear();
    this.#whole.add(key);
    return true;
  }
}
