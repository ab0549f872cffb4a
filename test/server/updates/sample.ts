import type { CheckRequest, PlatformFacts, ReleaseFacts } from '../../../delta/agent/protocol.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';

/** A digest that stands for something named. */
export function named(name: string): Digest {
  return digestOf(Buffer.from(name));
}

/** A platform with two chunked layers (60,000 and 40,000 bytes as pushed) and a delta from `v1`. */
export function samplePlatform(changes: Partial<PlatformFacts> = {}): PlatformFacts {
  return {
    platform: 'linux/amd64',
    manifest: { digest: named('v2'), size: 800 },
    config: { digest: named('config'), size: 1200 },
    layers: [
      layer('a', 60_000, { digest: named('index-a'), size: 500 }),
      layer('b', 40_000, { digest: named('index-b'), size: 300 }),
    ],
    deltas: [{ from: named('v1'), digest: named('delta'), size: 5000, ramBytes: 1 << 20 }],
    building: [],
    ...changes,
  };
}

export function layer(
  name: string,
  size: number,
  index?: { readonly digest: Digest; readonly size: number },
): PlatformFacts['layers'][number] {
  const chunked = index === undefined ? {} : { rawSize: size * 3, index };
  return { digest: named(name), size, diffId: named(`${name}-diff`), ...chunked };
}

export function sampleFacts(...platforms: readonly PlatformFacts[]): ReleaseFacts {
  return {
    product: 'demo/app',
    channel: 'stable',
    releaseCounter: 7,
    digest: named('index'),
    pushedMs: 1000,
    platforms: platforms.length === 0 ? [samplePlatform()] : platforms,
  };
}

export function sampleAsk(
  current: string | undefined,
  changes: Partial<CheckRequest> = {},
): CheckRequest {
  return {
    product: 'demo/app',
    channel: 'stable',
    os: 'linux',
    arch: 'amd64',
    current:
      current === undefined ? [] : [{ kind: 'oci', name: 'demo/app', digest: named(current) }],
    accept: ['delta', 'chunks', 'full'],
    ...changes,
  };
}
