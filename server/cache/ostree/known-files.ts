import type {
  CachedOstreeFile,
  CachedOstreeFiles,
} from '../../../storage/catalog/cache-ostree-files.ts';
import type { Clock } from '../../../storage/clock.ts';
import type { Logger } from '../../observe/logger.ts';

/** Files that are remembered. */
const MAX_FILES = 400_000;
/** The most that small files take, and the part of the cache's budget that they take at most. */
const MAX_BYTES = 256 * 1024 * 1024;
const BUDGET_SHARE = 1 / 4;
/** Removed in one step. */
const DELETE_COUNT = 256;
/** What is new is written together, for a sync of the disk each would cost more than the fetch. */
const WRITE_AFTER_MS = 250;
const MAX_UNWRITTEN = 512;
/** A disk that takes so long is not waited for: what is new is served and not kept. */
const MAX_WAITING = 4096;
/** A use is written down again only after so long. */
const USE_AGAIN_MS = 3_600_000;

export interface KnownFilesOptions {
  readonly ostreeFiles: CachedOstreeFiles;
  readonly budgetBytes: number;
  /** Bounds the files; the default is for everyday use. */
  readonly maxFiles?: number | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * The table of OSTree files that never change: which digest and size a path has, and small files
 * themselves. Written behind; what a crash loses is fetched again. The least recently used go first.
 */
export class KnownFiles {
  readonly #options: KnownFilesOptions;
  readonly #maxBytes: number;
  readonly #unwritten = new Map<string, CachedOstreeFile>();
  readonly #used = new Map<string, number>();
  #totals = { count: 0, bytes: 0 };
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: KnownFilesOptions) {
    this.#options = options;
    this.#maxBytes = Math.min(MAX_BYTES, options.budgetBytes * BUDGET_SHARE);
  }

  static async open(options: KnownFilesOptions): Promise<KnownFiles> {
    const known = new KnownFiles(options);
    known.#totals = await options.ostreeFiles.totals();
    return known;
  }

  /** Bytes of the small files that are kept. */
  get bytes(): number {
    return this.#totals.bytes;
  }

  async get(path: string): Promise<CachedOstreeFile | undefined> {
    const fresh = this.#unwritten.get(path);
    if (fresh !== undefined) return fresh;
    const file = await this.#options.ostreeFiles.get(path);
    const nowMs = this.#options.clock();
    if (file !== undefined && nowMs - file.usedMs > USE_AGAIN_MS) {
      this.#used.set(path, nowMs);
      this.#writeSoon();
    }
    return file;
  }

  put(file: Omit<CachedOstreeFile, 'usedMs'>): CachedOstreeFile {
    const known = { ...file, usedMs: this.#options.clock() };
    if (this.#unwritten.size >= MAX_WAITING) return known;
    this.#unwritten.set(file.path, known);
    this.#totals.count += 1;
    this.#totals.bytes += file.body?.length ?? 0;
    this.#writeSoon();
    return known;
  }

  async forget({ path, body }: CachedOstreeFile): Promise<void> {
    const wasNew = this.#unwritten.delete(path);
    const wasWritten = await this.#options.ostreeFiles.delete(path);
    if (!wasNew && !wasWritten) return;
    this.#totals.count -= 1;
    this.#totals.bytes -= body?.length ?? 0;
  }

  /** Writes what is new, and keeps the bounds. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#turn = this.#turn.then(() => this.#write());
    await this.#turn;
  }

  #writeSoon(): void {
    if (this.#unwritten.size + this.#used.size >= MAX_UNWRITTEN) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), WRITE_AFTER_MS).unref();
  }

  async #write(): Promise<void> {
    const { ostreeFiles, logger } = this.#options;
    const files = new Map(this.#unwritten);
    const used = new Map(this.#used);
    this.#used.clear();
    try {
      if (files.size + used.size > 0) await ostreeFiles.write(files.values(), used);
      await this.#trim();
    } catch (error) {
      logger.warn({ err: error, files: files.size }, 'cannot keep files of OSTree repositories');
    }
    // Until here they were found in memory.
    for (const [path, file] of files) {
      if (this.#unwritten.get(path) === file) this.#unwritten.delete(path);
    }
  }

  async #trim(): Promise<void> {
    const { ostreeFiles, maxFiles = MAX_FILES } = this.#options;
    const isOver = (): boolean =>
      this.#totals.count > maxFiles || this.#totals.bytes > this.#maxBytes;
    if (!isOver()) return;
    // Files that were put twice were counted twice.
    this.#totals = await ostreeFiles.totals();
    while (isOver()) {
      await ostreeFiles.deleteOldest(DELETE_COUNT);
      this.#totals = await ostreeFiles.totals();
    }
  }
}
