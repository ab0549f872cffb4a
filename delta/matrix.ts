import type { DeltaPair } from '../storage/catalog/delta-catalog.ts';
import type { LiveImage } from '../storage/catalog/fleet-catalog.ts';
import type { Digest } from '../storage/digest.ts';
import type { RepoName, Tag } from '../storage/names.ts';

/** A tag with the images of its releases, newest first: what the matrix is planned from. */
export interface TagHistory {
  readonly repo: RepoName;
  readonly tag: Tag;
  /** Each release's image manifests by platform; the first release is the current one. */
  readonly releases: readonly (readonly {
    readonly platform: string;
    readonly manifest: Digest;
  }[])[];
}

/**
 * Where deltas to `to` should start, for images and OSTree's commits alike: from what was in each of the
 * `releases` before it (the newest first) and from each version that devices run; never from itself,
 * none twice.
 */
export function wantedBases<V>(
  to: V,
  earlier: readonly (readonly V[])[],
  running: readonly V[],
  policy: { readonly releases: number },
): readonly V[] {
  const bases = new Set([...earlier.slice(0, policy.releases).flat(), ...running]);
  bases.delete(to);
  return [...bases];
}

/**
 * The pairs that the matrix should hold: for each tag and platform, to the current release from each
 * of the `releases` before it and from each version that devices run. Never across platforms, never
 * from an image to itself; no pair twice.
 */
export function wantedPairs(
  histories: readonly TagHistory[],
  live: readonly LiveImage[],
  policy: { readonly releases: number },
): readonly DeltaPair[] {
  const pairs = new Map<string, DeltaPair>();
  for (const { repo, tag, releases } of histories) {
    const [current, ...earlier] = releases;
    for (const { platform, manifest: to } of current ?? []) {
      const sources = earlier.map((images) =>
        images.filter((image) => image.platform === platform).map((image) => image.manifest),
      );
      const running = live
        .filter((v) => v.product === repo && v.channel === tag && v.platform === platform)
        .map((v) => v.current);
      for (const from of wantedBases(to, sources, running, policy)) {
        pairs.set(`${repo} ${tag} ${platform} ${from} ${to}`, { repo, tag, platform, from, to });
      }
    }
  }
  return [...pairs.values()];
}
