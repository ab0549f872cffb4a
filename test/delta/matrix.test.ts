import { describe, expect, it } from 'vitest';

import { wantedPairs, type TagHistory } from '../../delta/matrix.ts';
import type { LiveImage } from '../../storage/catalog/fleet-catalog.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';

const REPO = parseRepoName('shop/app');
const STABLE = parseTag('stable');

function image(name: string): Digest {
  return digestOf(Buffer.from(name));
}

/** Newest first; each release is a list of `platform version`. */
function history(...releases: readonly (readonly string[])[]): TagHistory {
  return {
    repo: REPO,
    tag: STABLE,
    releases: releases.map((images) =>
      images.map((text) => ({ platform: text.split(' ')[0] ?? '', manifest: image(text) })),
    ),
  };
}

function live(text: string, channel = 'stable', product = 'shop/app'): LiveImage {
  return {
    product: parseRepoName(product),
    channel: parseTag(channel),
    platform: text.split(' ')[0] ?? '',
    current: image(text),
  };
}

function names(pairs: ReturnType<typeof wantedPairs>): string[] {
  const all = ['linux/amd64', 'linux/arm64'].flatMap((platform) =>
    [1, 2, 3, 4, 5].map((n) => `${platform} ${n}`),
  );
  const name = (digest: Digest): string => all.find((text) => image(text) === digest) ?? '?';
  return pairs.map((pair) => `${name(pair.from)} -> ${name(pair.to)}`);
}

describe('wantedPairs', () => {
  it('leads from the last N releases to the current one, platform by platform', () => {
    const amd64 = (n: number): string => `linux/amd64 ${n}`;
    const arm64 = (n: number): string => `linux/arm64 ${n}`;
    const releases = [4, 3, 2, 1].map((n) => [amd64(n), arm64(n)]);
    const pairs = wantedPairs([history(...releases)], [], { releases: 2 });
    expect(names(pairs)).toEqual([
      `${amd64(3)} -> ${amd64(4)}`,
      `${amd64(2)} -> ${amd64(4)}`,
      `${arm64(3)} -> ${arm64(4)}`,
      `${arm64(2)} -> ${arm64(4)}`,
    ]);
    expect(pairs[0]).toMatchObject({ repo: REPO, tag: STABLE, platform: 'linux/amd64' });
  });

  it('adds what devices of that channel and platform run, each pair once', () => {
    const releases = history(['linux/amd64 3'], ['linux/amd64 2']);
    const versions = [
      live('linux/amd64 1'),
      live('linux/amd64 2'),
      live('linux/amd64 3'),
      live('linux/arm64 1'),
      live('linux/amd64 4', 'beta'),
      live('linux/amd64 5', 'stable', 'shop/other'),
    ];
    expect(names(wantedPairs([releases], versions, { releases: 5 }))).toEqual([
      'linux/amd64 2 -> linux/amd64 3',
      'linux/amd64 1 -> linux/amd64 3',
    ]);
  });

  it('wants nothing for one release, a rebuilt same image, a new platform, an empty history', () => {
    const cases = [
      history(['linux/amd64 1']),
      history(['linux/amd64 1'], ['linux/amd64 1']),
      history(['linux/arm64 1'], ['linux/amd64 1']),
      history(),
    ];
    for (const releases of cases) expect(wantedPairs([releases], [], { releases: 3 })).toEqual([]);
  });
});
