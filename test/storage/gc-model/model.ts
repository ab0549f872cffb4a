import type { Clock } from '../../../storage/clock.ts';
import { parseDigest, type Digest } from '../../../storage/digest.ts';
import type { UploadId } from '../../../storage/keys.ts';
import type { RepoName, Tag } from '../../../storage/names.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { Register, type Moment } from './register.ts';
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
  #touchedMs = -Infinity;

  /** When a push of it began that was acknowledged: the last one. */
  get touchedMs(): number {
    return this.#touchedMs;
  }

  /** Changes whenever a removal begins or ends. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Undefined while it may be gone. */
  get held(): Held | undefined {
    return this.#held && { blobs: [...this.#held.blobs], manifests: [...this.#held.manifests] };
  }

  push(nowMs: number): (held: Held | undefined) => void {
    const begun = this.#epoch;
    return (held) => {
      if (held !== undefined) this.#touchedMs = Math.max(this.#touchedMs, nowMs);
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

/** A device that follows images: what it knows itself, then what the origin was told of it. */
interface ImageDevice extends Promised {
  readonly repo: RepoName;
  isBusy: boolean;
  runs: Digest | undefined;
  /** Undefined while it is not sure, as the next two. */
  follows: Tag | undefined;
  running: Digest | undefined;
  /** What it ran before, and may be rolled back to. */
  cameFrom: Digest | undefined;
  /** Both ends of decisions. */
  readonly told: (Promised & { readonly digest: Digest })[];
}

/** A device that follows an OSTree ref, with what it runs and may be rolled back to. */
interface CommitDevice extends Promised {
  readonly ref: string;
  readonly running: Tree;
  readonly cameFrom: Tree | undefined;
}

/** All that clients were told, and have a right to find. */
export class Model {
  readonly manifests = new Map<string, HeldFact>();
  readonly tags = new Map<string, Register<Digest | undefined>>();
  /** Links of blobs that are promised for the grace period, named or not. */
  readonly links = new Map<string, Promised>();
  readonly sessions = new Map<UploadId, Promised & { readonly repo: RepoName; size: number }>();
  /** Deltas of images that are offered, by their row. */
  readonly deltas = new Map<number, HeldFact>();
  /** Static deltas that are offered, by their row. */
  readonly staticDeltas = new Map<number, HeldFact>();
  /** zstd:chunked forms of manifests, promised while nothing has removed these since. */
  readonly forms = new Map<string, { readonly epoch: number }>();
  /** Bytes of deltas that are offered no more. */
  readonly retired = new Map<Digest, Promised>();
  readonly refs = new Map<string, Register<Tree | undefined>>();
  readonly commitDevices = new Map<string, CommitDevice>();
  readonly imageDevices = new Map<string, ImageDevice>();
  /** Images that deltas need: both while one is built, the target while it is offered. By row. */
  readonly pairs = new Map<number, { readonly repo: RepoName; readonly ends: readonly Digest[] }>();
  /** Every manifest that anybody has tried to push. */
  readonly attempted = new Set<string>();

  readonly #clock: Clock;
  #moments = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  manifest(repo: RepoName, digest: Digest): HeldFact {
    const key = pairKey(repo, digest);
    this.attempted.add(key);
    return entry(this.manifests, key, () => new HeldFact());
  }

  delta(id: number): HeldFact {
    return entry(this.deltas, id, () => new HeldFact());
  }

  staticDelta(id: number): HeldFact {
    return entry(this.staticDeltas, id, () => new HeldFact());
  }

  /** A delta begins to be offered no more; its bytes stay for a while. The caller ends it. */
  retire(delta: HeldFact, untilMs: number): () => void {
    for (const digest of delta.held?.blobs ?? []) this.retired.set(digest, { untilMs });
    return delta.remove();
  }

  tag(repo: RepoName, tag: Tag): Register<Digest | undefined> {
    return entry(this.tags, pairKey(repo, tag), () => this.#register<Digest>());
  }

  ref(repo: RepoName, ref: OstreeRef): Register<Tree | undefined> {
    return entry(this.refs, pairKey(repo, ref), () => this.#register<Tree>());
  }

  imageDevice(id: string, repo: RepoName): ImageDevice {
    return entry(this.imageDevices, id, () => ({
      ...{ repo, isBusy: false, told: [], untilMs: -Infinity },
      ...{ runs: undefined, follows: undefined, running: undefined, cameFrom: undefined },
    }));
  }

  link(repo: RepoName, digest: Digest, untilMs: number): void {
    const link = entry(this.links, pairKey(repo, digest), () => ({ untilMs }));
    link.untilMs = Math.max(link.untilMs, untilMs);
  }

  #register<T>(): Register<T | undefined> {
    return new Register<T | undefined>(undefined, () => this.#moment());
  }

  #moment(): Moment {
    this.#moments += 1;
    return { order: this.#moments, ms: this.#clock() };
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

/** One of the manifests that the repository is sure to have, counted round and round. */
export function manifestThere(model: Model, repo: RepoName, n: number): Digest | undefined {
  const there = [...model.manifests].flatMap(([key, { held }]) => {
    const [owner, digest] = pairOf(key);
    return held === undefined || owner !== repo ? [] : [parseDigest(digest)];
  });
  return there[n % Math.max(1, there.length)];
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
