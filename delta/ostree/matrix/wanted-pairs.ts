import type { LiveCommit } from '../../../storage/catalog/fleet-catalog.ts';
import type { OstreeDeltaPair } from '../../../storage/catalog/ostree-delta-catalog.ts';
import type { RepoName } from '../../../storage/names.ts';
import type { OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { wantedBases } from '../../matrix.ts';

/** A ref with the commits where it was, each once, newest first. */
export interface RefHistory {
  readonly repo: RepoName;
  readonly ref: OstreeRef;
  readonly commits: readonly OstreeChecksum[];
}

/**
 * The static deltas that the matrix should hold: for each ref, to the commit where it is from each of
 * the `releases` before it, from each commit that devices run which follow it, and from scratch. Refs of
 * one repository at one commit share them.
 */
export function wantedOstreePairs(
  histories: readonly RefHistory[],
  live: readonly LiveCommit[],
  policy: { readonly releases: number },
): readonly OstreeDeltaPair[] {
  const pairs = new Map<string, OstreeDeltaPair>();
  for (const { repo, ref, commits } of histories) {
    const [to, ...earlier] = commits;
    if (to === undefined) continue;
    const sources = earlier.map((commit) => [commit]);
    const running = live
      .filter(({ product, channel }) => product === repo && channel === ref)
      .map(({ current }) => current);
    for (const from of [...wantedBases(to, sources, running, policy), undefined]) {
      const pair = { repo, ref, from, to };
      const key = ostreePairKey(pair);
      if (!pairs.has(key)) pairs.set(key, pair);
    }
  }
  return [...pairs.values()];
}

/** Tells pairs apart as the catalog does: whichever ref wants one. */
export function ostreePairKey({ repo, from, to }: Omit<OstreeDeltaPair, 'ref'>): string {
  return `${repo} ${from ?? ''} ${to}`;
}
