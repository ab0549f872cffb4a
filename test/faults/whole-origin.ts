import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadServerConfig } from '../../server/config-load.ts';
import { startOrigin } from '../../server/origin.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { seededBytes } from '../server/seeded-bytes.ts';

export const REPO = 'edge/app';
/** Small enough to be answered before `node:http`. */
export const SMALL = seededBytes('small', 4096);
export const LARGE = seededBytes('large', 3_000_001);

/** A whole origin in this process, on loopback, that holds {@link SMALL} and {@link LARGE}. */
export interface WholeOrigin {
  readonly url: string;
  readonly data: string;
  readonly small: Digest;
  readonly large: Digest;
  readonly push: (bytes: Buffer) => Promise<Digest>;
  readonly close: () => Promise<void>;
}

/** `settings` go over the configuration's defaults, as flags do. */
export async function startWholeOrigin(
  settings: Readonly<Record<string, unknown>> = {},
): Promise<WholeOrigin> {
  const data = await mkdtemp(join(tmpdir(), 'rivulet-http-faults-'));
  const flags = { data, listen: '127.0.0.1:0', ...settings };
  const env = { RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
  const origin = await startOrigin(await loadServerConfig({ flags, env }));
  const push = (bytes: Buffer): Promise<Digest> => pushBlob(origin.url, bytes);
  const [small, large] = [await push(SMALL), await push(LARGE)];
  // Twice, so that the small one is hot.
  for (const path of [`/v1/blobs/${small}`, `/v2/${REPO}/blobs/${small}`]) {
    for (let n = 0; n < 2; n += 1) await (await fetch(origin.url + path)).arrayBuffer();
  }
  return {
    url: origin.url,
    data,
    small,
    large,
    push,
    async close() {
      await origin.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Pushes a blob into {@link REPO} in one request. */
export async function pushBlob(url: string, bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  const path = `/v2/${REPO}/blobs/uploads/?digest=${digest}`;
  const response = await fetch(url + path, { method: 'POST', body: bytes });
  if (response.status !== 201) throw new Error(`POST: ${response.status}`);
  return digest;
}
