import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { DeltaName } from '../../../delta/ostree/checksum-base64.ts';
import { measure } from '../../engine/measure.ts';
import { REF } from '../corpus/open-trees.ts';
import type { BuildReport, BuildRequest } from './build-request.ts';
import type { Generated } from './generated.ts';

const BUILDER = fileURLToPath(new URL('./build-once.js', import.meta.url));

/** Makes, proves and publishes the delta in the folder of an origin of ours that does not run. */
export async function generateOurs(
  data: string,
  repo: string,
  { from, to }: DeltaName,
): Promise<Generated> {
  const report = join(data, 'bench-report.json');
  const request: BuildRequest = { data, repo, ref: REF, from, to, report };
  const proved = await measure(process.execPath, [BUILDER, JSON.stringify(request)]);
  const { bytes, made } = JSON.parse(await readFile(report, 'utf8')) as BuildReport;
  return { bytes, cost: made, proved };
}
