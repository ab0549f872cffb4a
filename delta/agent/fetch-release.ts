import { DeviceError } from './errors.ts';
import {
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  parseRelease,
  parseSourceManifest,
  type ReleaseImage,
} from './image.ts';
import type { PlanEnv } from './plan.ts';

/** Fetches the target's manifest and config. */
export async function fetchRelease(env: PlanEnv): Promise<ReleaseImage> {
  const { digest, size } = env.decision.target;
  const bytes = await env.fetcher.bytes({ digest, size, maxBytes: MAX_MANIFEST_BYTES });
  const manifest = parseSourceManifest(bytes, digest);
  const { config } = manifest;
  if (config.size > MAX_CONFIG_BYTES) {
    throw new DeviceError('too_large', `the config ${config.digest} has ${config.size} bytes`);
  }
  const configBytes = await env.fetcher.bytes({
    digest: config.digest,
    size: config.size,
    maxBytes: MAX_CONFIG_BYTES,
  });
  return parseRelease(manifest, configBytes);
}
