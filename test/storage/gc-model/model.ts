import type { Digest } from '../../../storage/digest.ts';
import type { UploadId } from '../../../storage/keys.ts';
import type { RepoName, Tag } from '../../../storage/names.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { Register } from './register.ts';
import type { Tree } from './material.ts';

/** What a push found its repository to have, or pushed itself, of what the manifest names. */
export interface Held {
  readonly blobs: readonly Digest[];
  readonly manifests: readonly Digest[];
}

/** Something that holds others, such as a manifest: pushes do not disturb each other, deletions do. */
class HeldFact {
  #held: { readonly blobs: Set<Digest>; readonly manifests: Set<Digest> } | undefined;
  #removers = 0;
  #epoch = 0;

  /** Undefined while it may be gone. */
  get held(): Held | undefined {
    return this.#held && { blobs: [...this.#held.blobs], manifests: [...this.#held.manifests] };
  }

  push(): (held: Held | undefined) => void {
    const begun = this.#epoch;
    return (held) => {
      if (held === undefined || this.#epoch !== begun || this.#removers > 0) return;
      const { blobs, manifests } = this.#held ?? { blobs: new Set(), manifests: new Set() };
      held.blobs.forEach((digest) => blobs.add(digest));
      held.manifests.forEach((digest) => manifests.add(digest));
      this.#held = { blobs, manifests };
    };
  }

  remove(): () => void {
    this.#held = undefined;
    this.#removers += 1;
    this.#epoch += 1;
    return () => {
      this.#removers -= 1;
      this.#epoch += 1;
    };
  }
}

/** Until when something is promised. */
interface Promised {
  untilMs: number;
}

/** All that clients were told, and have a right to find. */
export class Model {
  readonly manifests = new Map<string, HeldFact>();
  readonly tags = new Map<string, Register<Digest | undefined>>();
  /** Links of blobs that are promised for the grace period, named or not. */
  readonly links = new Map<string, Promised>();
  readonly sessions = new Map<UploadId, Promised & { readonly repo: RepoName; size: number }>();
  /** Deltas that are offered, by their row. */
  readonly deltas = new Map<number, HeldFact>();
  /** Bytes of deltas that are offered no more. */
  readonly retired = new Map<Digest, Promised>();
  readonly refs = new Map<string, Register<Tree | undefined>>();
  /** Commits that devices run, by device. */
  readonly devices = new Map<string, Promised & { readonly ref: string; readonly tree: Tree }>();
  /** Every manifest that anybody has tried to push. */
  readonly attempted = new Set<string>();

  manifest(repo: RepoName, digest: Digest): HeldFact {
    const key = pairKey(repo, digest);
    this.attempted.add(key);
    return entry(this.manifests, key, () => new HeldFact());
  }

  delta(id: number): HeldFact {
    return entry(this.deltas, id, () => new HeldFact());
  }

  tag(repo: RepoName, tag: Tag): Register<Digest | undefined> {
    return entry(
      this.tags,
      pairKey(repo, tag),
      () => new Register<Digest | undefined>({ is: undefined }),
    );
  }

  ref(repo: RepoName, ref: OstreeRef): Register<Tree | undefined> {
    return entry(
      this.refs,
      pairKey(repo, ref),
      () => new Register<Tree | undefined>({ is: undefined }),
    );
  }

  link(repo: RepoName, digest: Digest, untilMs: number): void {
    const link = entry(this.links, pairKey(repo, digest), () => ({ untilMs }));
    link.untilMs = Math.max(link.untilMs, untilMs);
  }
}

export function pairKey(repo: RepoName, name: string): string {
  return `${repo} ${name}`;
}

/** The two parts of a key; the first is a repository. */
export function pairOf(key: string): readonly [repo: RepoName, name: string] {
  const [repo = '', name = ''] = key.split(' ');
  return [repo as RepoName, name];
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
