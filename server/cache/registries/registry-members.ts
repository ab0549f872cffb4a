import type { CachedMembers } from '../../../storage/catalog/cache-members.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Digest } from '../../../storage/digest.ts';
import { isStorageError } from '../../../storage/errors.ts';
import type { RepoName } from '../../../storage/names.ts';
import { ACCEPTED_MANIFESTS } from '../accepted-manifests.ts';
import { JointWork } from '../joint-work.ts';
import { expectStatus, type UpstreamBlobs } from '../upstream-blobs.ts';
import type { RegistrySource } from './sources.ts';

const MAX_REMEMBERED = 50_000;
/** What left a repository may still be read through it for so long. */
const REMEMBERED_MS = 600_000;

export interface RegistryMembersOptions {
  readonly source: RegistrySource;
  readonly blobs: UpstreamBlobs;
  readonly members: CachedMembers;
  readonly clock: Clock;
}

type Kind = 'blobs' | 'manifests';

interface Seen {
  readonly atMs: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * What the repositories of a registry have, as that says: bytes that came from one are not given to
 * those who ask for another, nor is it told that they are here. Asked once in ten minutes for each; when
 * the registry is gone, its last word counts. Throws `missing`, `unavailable`, `UpstreamError`.
 */
export class RegistryMembers {
  readonly #options: RegistryMembersOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #asking = new JointWork<number | undefined>();

  constructor(options: RegistryMembersOptions) {
    this.#options = options;
  }

  /** Bytes of a blob of the repository; undefined when only its membership is known. */
  admitBlob(repo: RepoName, digest: Digest): Promise<number | undefined> {
    const { source, blobs } = this.#options;
    return this.#admit('blobs', repo, digest, () =>
      blobs.size(digest, { path: `${source.root}${repo}/blobs/${digest}` }),
    );
  }

  /** That the repository has a manifest. */
  async admitManifest(repo: RepoName, digest: Digest): Promise<void> {
    const { upstream, root } = this.#options.source;
    await this.#admit('manifests', repo, digest, async () => {
      const path = `${root}${repo}/manifests/${digest}`;
      const headers = { accept: ACCEPTED_MANIFESTS };
      const answer = await upstream.request({ method: 'HEAD', path, headers, failFast: true });
      upstream.discard(answer);
      expectStatus(answer, digest, [200]);
      return 0;
    });
  }

  /** The registry has just given a manifest. Call before it is kept. */
  async note(repo: RepoName, digest: Digest, size: number): Promise<void> {
    await this.#note('manifests', repo, digest, size);
  }

  async #note(kind: Kind, repo: RepoName, digest: Digest, size: number): Promise<void> {
    const { source, members, clock } = this.#options;
    await members.put({ registry: source.name, repo, digest }, clock());
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.clear();
    this.#seen.set(`${kind} ${repo} ${digest}`, { atMs: clock(), size });
  }

  #admit(
    kind: Kind,
    repo: RepoName,
    digest: Digest,
    ask: () => Promise<number>,
  ): Promise<number | undefined> {
    const { source, members, clock } = this.#options;
    const key = `${kind} ${repo} ${digest}`;
    const seen = this.#seen.get(key);
    if (seen !== undefined && clock() - seen.atMs < REMEMBERED_MS) {
      return Promise.resolve(seen.size);
    }
    return this.#asking.do(key, async () => {
      const member = { registry: source.name, repo, digest };
      try {
        const size = await ask();
        await this.#note(kind, repo, digest, size);
        return size;
      } catch (error) {
        if (isStorageError(error, 'missing')) {
          this.#seen.delete(key);
          await members.revoke(member);
        }
        if (isStorageError(error, 'unavailable') && (await members.has(member))) return undefined;
        throw error;
      }
    });
  }
}
