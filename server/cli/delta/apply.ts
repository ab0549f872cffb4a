import { stat } from 'node:fs/promises';

import { applyFileDelta } from '../../../delta/apply-file.ts';
import { optimizeLate } from '../../../delta/optimize-late.ts';
import { errnoOf } from '../../../storage/durable.ts';
import { ServerError } from '../../errors.ts';
import type { Output } from '../output.ts';
import { needFile, parseOperand } from './operands.ts';

export interface ApplyOptions {
  readonly old: string;
  readonly delta: string;
  readonly out: string;
}

/** Makes the new file or image; `out` must not exist. */
export async function apply(options: ApplyOptions, scratch: string, output: Output): Promise<void> {
  optimizeLate();
  const from = parseOperand(options.old);
  await needFile(options.delta);
  await refuseExisting(options.out);
  const bar = output.bar('applying', 100, 'percent');
  const onProgress = (done: number, total: number): void => {
    bar.update(total === 0 ? 100 : (100 * done) / total);
  };
  if (from.kind === 'file') {
    await needFile(from.path);
    const { delta, out } = options;
    await applyFileDelta({ old: from.path, delta, output: out, onProgress });
    return;
  }
  const { applyImage } = await import('./images.ts');
  await applyImage(from, options.delta, options.out, scratch, onProgress);
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  throw new ServerError('usage', `${path} exists already: choose another --out`);
}
