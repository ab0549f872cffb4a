import type { RetainedManifest, RetentionFacts } from '../catalog/retention-catalog.ts';
import type { Digest } from '../digest.ts';

/** The manifests of a repository and what holds what: an index its images, a subject its referrers. */
export class ManifestGraph {
  readonly #manifests: ReadonlyMap<Digest, RetainedManifest>;
  readonly #children = new Map<Digest, Digest[]>();
  readonly #referrers = new Map<Digest, Digest[]>();

  constructor({ manifests, children }: Pick<RetentionFacts, 'manifests' | 'children'>) {
    this.#manifests = new Map(manifests.map((manifest) => [manifest.digest, manifest]));
    for (const { parent, child } of children) append(this.#children, parent, child);
    for (const { digest, subject } of manifests) {
      if (subject !== undefined) append(this.#referrers, subject, digest);
    }
  }

  get(digest: Digest): RetainedManifest | undefined {
    return this.#manifests.get(digest);
  }

  /** An index and its images, and theirs. */
  below(root: Digest): ReadonlySet<Digest> {
    return this.#reach([root], (digest) => this.#children.get(digest) ?? []);
  }

  /** All that stays because these do: what they name, and what refers to any of it. */
  heldBy(roots: Iterable<Digest>): ReadonlySet<Digest> {
    return this.#reach(roots, (digest) => this.#holds(digest));
  }

  /** The manifests in steps: each one's indexes and its subject, if they are among them, come before it. */
  inSteps(digests: Iterable<Digest>): readonly (readonly RetainedManifest[])[] {
    const depths = new Map([...digests].map((digest) => [digest, 0]));
    const open = [...depths.keys()];
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      const below = (depths.get(digest) ?? 0) + 1;
      for (const held of this.#holds(digest)) {
        // No digest names itself, however far around; rows that say so must not keep this for ever.
        if ((depths.get(held) ?? below) >= below || below > depths.size) continue;
        depths.set(held, below);
        open.push(held);
      }
    }
    const steps = new Map<number, RetainedManifest[]>();
    for (const [digest, depth] of [...depths].toSorted(([, a], [, b]) => a - b)) {
      const manifest = this.#manifests.get(digest);
      if (manifest !== undefined) append(steps, depth, manifest);
    }
    return [...steps.values()];
  }

  #holds(digest: Digest): readonly Digest[] {
    return [...(this.#children.get(digest) ?? []), ...(this.#referrers.get(digest) ?? [])];
  }

  #reach(roots: Iterable<Digest>, next: (digest: Digest) => readonly Digest[]): Set<Digest> {
    const reached = new Set<Digest>();
    const open = [...roots];
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      if (reached.has(digest) || !this.#manifests.has(digest)) continue;
      reached.add(digest);
      open.push(...next(digest));
    }
    return reached;
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
