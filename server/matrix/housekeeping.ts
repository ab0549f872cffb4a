import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { Clock } from '../../storage/clock.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { ClockWatch } from '../clock-watch.ts';
import type { ServerConfig } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import { scratchFolder } from '../open-store.ts';

export interface HousekeepingOptions {
  readonly config: Pick<ServerConfig, 'data' | 'uploads'>;
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time that nobody can set; the process's unless given. */
  readonly uptime?: Clock | undefined;
  readonly signal: AbortSignal;
}

const EVERY_MS = 3_600_000;
/** Older than any job: what a killed process left behind. */
const SCRATCH_TTL_MS = 24 * 3_600_000;

/**
 * Hourly: removes upload sessions that nobody goes on with, and scratch files of killed processes; but not
 * while the clock is in doubt (see {@link ClockWatch}).
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #watch: ClockWatch;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void>;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    const { config, clock, uptime = () => performance.now() } = options;
    this.#watch = new ClockWatch({ clock, uptime, graceMs: config.uploads.ttlMs });
    this.#running = this.#turn();
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#turn());
    }, EVERY_MS);
  }

  /** Fire the signal first: a turn that runs ends early. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #turn(): Promise<void> {
    const { config, blobs, catalog, clock, logger, signal } = this.#options;
    if (this.#watch.doubtedMs() > 0) {
      logger.warn(
        {},
        'the clock jumped ahead: no upload expires yet; if it is wrong, set it (NTP)',
      );
      return;
    }
    const uploads = new UploadService({ objects: blobs.objects, catalog, clock });
    try {
      const swept = await uploads.sweep(config.uploads.ttlMs, { signal });
      const scratch = await sweepScratch(scratchFolder(config.data), clock() - SCRATCH_TTL_MS);
      if (swept.sessions + swept.parts + scratch > 0) {
        logger.info({ ...swept, scratch }, 'stale uploads and scratch files removed');
      }
    } catch (error) {
      if (!signal.aborted)
        logger.error({ err: error }, 'housekeeping failed; tried again in an hour');
    }
  }
}

async function sweepScratch(folder: string, beforeMs: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const modifiedMs = await modified(path);
    if (modifiedMs === undefined || modifiedMs >= beforeMs) continue;
    await rm(path, { recursive: true, force: true });
    removed += 1;
  }
  return removed;
}

/** Undefined when its job has removed it meanwhile. */
async function modified(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
