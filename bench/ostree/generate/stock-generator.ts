import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { DeltaName } from '../../../delta/ostree/checksum-base64.ts';
import { measure } from '../../engine/measure.ts';
import type { OstreeTool } from '../ostree-tool.ts';
import { deltaBytesIn } from './delta-bytes.ts';
import type { Generated } from './generated.ts';

/** Makes the delta by the stock command in a repository, where it replaces the one before. */
export async function generateStock(
  ostree: OstreeTool,
  repo: string,
  delta: DeltaName,
  options: readonly string[],
): Promise<Generated> {
  for (const folder of ['deltas', 'delta-indexes']) {
    await rm(join(repo, folder), { recursive: true, force: true });
  }
  const from = delta.from === undefined ? '--empty' : `--from=${delta.from}`;
  const cost = await measure(ostree.path, [
    ...['static-delta', 'generate', `--repo=${repo}`, from, `--to=${delta.to}`],
    ...options,
  ]);
  return { bytes: await deltaBytesIn(repo, delta), cost, proved: undefined };
}
