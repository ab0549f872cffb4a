import type { Logger } from '../observe/logger.ts';
import { sweepBlobFolder, type SweepOptions } from './sweep.ts';

/**
 * Sweeps the folder beside everything else: a cache answers at once, however much it keeps. Returns
 * what stops the sweep and waits for its end.
 */
export function startSweep(
  options: Omit<SweepOptions, 'startedMs' | 'signal'>,
  logger: Logger,
): () => Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const sweep = async (): Promise<void> => {
    try {
      const swept = await sweepBlobFolder({ ...options, startedMs: Date.now(), signal });
      if (swept.files + swept.rows > 0)
        logger.info(swept, 'removed what an earlier run left half done');
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'the folder was not swept to its end');
    }
  };
  const done = sweep();
  return async () => {
    abort.abort(new Error('the cache stops'));
    await done;
  };
}
