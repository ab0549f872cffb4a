import type { DeltaPlan, Plan } from '../../../delta/agent/protocol.ts';
import { decide } from '../../../server/updates/decide.ts';
import { readBlob } from '../../../storage/blob-store.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { SampleRelease, SampleStore } from './sample-release.ts';

interface Manifest {
  readonly config: { readonly digest: Digest; readonly size: number };
  readonly layers: readonly { readonly digest: Digest; readonly size: number }[];
}

/** The plans that the server's own decision offers from one release to another. */
export async function decidedPlans(
  { blobs }: SampleStore,
  from: SampleRelease,
  to: SampleRelease,
  delta: DeltaPlan,
): Promise<readonly Plan[]> {
  const bytes = await readBlob(blobs, to.manifest.digest, { maxBytes: 1e6 });
  const { config, layers } = JSON.parse(bytes.toString('utf8')) as Manifest;
  const facts = {
    ...{ product: 'demo/app', channel: 'latest', releaseCounter: 1, pushedMs: 0 },
    digest: to.manifest.digest,
    platforms: [
      {
        ...{ platform: 'linux/amd64', manifest: to.manifest, building: [] },
        config: { digest: config.digest, size: config.size },
        layers: to.chunks.layers.map((chunked, i) => {
          const layer = layers[i];
          if (layer === undefined) throw new Error('a layer is missing');
          return { ...chunked, digest: layer.digest, size: layer.size };
        }),
        deltas: [{ ...delta, from: from.manifest.digest }],
      },
    ],
  };
  const current = [{ kind: 'oci' as const, name: 'demo/app', digest: from.manifest.digest }];
  const accept = ['delta', 'chunks', 'full'] as const;
  const outcome = decide(
    facts,
    { product: 'demo/app', channel: 'latest', os: 'linux', arch: 'amd64', current, accept },
    { deviceId: 'device-1', nowMs: 0, servers: [] },
  );
  if (outcome.kind !== 'update') throw new Error(outcome.reason);
  return outcome.decision.plans;
}
