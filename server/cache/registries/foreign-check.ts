import type { CachedMembers } from '../../../storage/catalog/cache-members.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { ACCEPTED_MANIFESTS } from '../accepted-manifests.ts';
import { expectStatus, type UpstreamBlobs } from '../upstream-blobs.ts';
import type { Upstream } from '../upstream.ts';

export interface ForeignCheckOptions {
  readonly upstream: Upstream;
  readonly blobs: UpstreamBlobs;
  readonly members: CachedMembers;
  /** False: nothing here ever came from another registry, nor can it. */
  readonly needed: boolean;
  readonly clock: Clock;
}

/**
 * Keeps what only other registries have from those who ask for the origin's: the origin is asked once
 * whether it has that too. Costs nothing where no other registry is mirrored.
 */
export class ForeignCheck {
  readonly #options: ForeignCheckOptions;

  constructor(options: ForeignCheckOptions) {
    this.#options = options;
  }

  /** True where bytes that lie here may be only other registries': a digest alone then gives no right to them. */
  get needed(): boolean {
    return this.#options.needed;
  }

  /** Throws `missing`, `unavailable`, `UpstreamError`. */
  async admitBlob(digest: Digest, repo?: RepoName): Promise<void> {
    const { blobs } = this.#options;
    const path = repo === undefined ? undefined : `/v2/${repo}/blobs/${digest}`;
    await this.#admit(digest, async () => {
      await blobs.size(digest, { path });
    });
  }

  async admitManifest(repo: RepoName, digest: Digest): Promise<void> {
    const { upstream } = this.#options;
    await this.#admit(digest, async () => {
      const path = `/v2/${repo}/manifests/${digest}`;
      const headers = { accept: ACCEPTED_MANIFESTS };
      const answer = await upstream.request({ method: 'HEAD', path, headers, failFast: true });
      upstream.discard(answer);
      expectStatus(answer, digest, [200]);
    });
  }

  async #admit(digest: Digest, ask: () => Promise<void>): Promise<void> {
    const { members, needed, clock } = this.#options;
    if (!needed || !(await members.isForeign(digest))) return;
    await ask();
    await members.putOrigin(digest, clock());
  }

  /** The origin has just given it. */
  async note(digest: Digest): Promise<void> {
    const { members, needed, clock } = this.#options;
    if (needed && (await members.isForeign(digest))) await members.putOrigin(digest, clock());
  }
}
