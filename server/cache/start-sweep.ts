import type { Logger } from '../observe/logger.ts';
import type { Swept } from './sweep.ts';

/**
 * Sweeps the store beside everything else: a cache answers at once, however much it keeps. Returns
 * what stops the sweep and waits for its end.
 */
export function startSweep(
  sweep: (signal: AbortSignal) => Promise<Swept>,
  logger: Logger,
): () => Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const run = async (): Promise<void> => {
    try {
      const swept = await sweep(signal);
      if (swept.files + swept.rows > 0)
        logger.info(swept, 'removed what an earlier run left half done');
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'the store was not swept to its end');
    }
  };
  const done = run();
  return async () => {
    abort.abort(new Error('the cache stops'));
    await done;
  };
}
