import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf, syncDirectory } from '../durable.ts';

/** Folders remembered as durable; forgotten all at once when there are more. */
const MAX_REMEMBERED = 10_000;

/**
 * Makes folders under a root so that they survive a power cut. A folder that another process made may
 * not be durable yet: each process syncs a folder's parent once before it relies on the folder.
 */
export class DurableFolders {
  readonly #root: string;
  readonly #durable = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  async make(path: string): Promise<void> {
    if (path === this.#root || this.#durable.has(path)) return;
    const parent = dirname(path);
    await this.make(parent);
    try {
      await mkdir(path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    await syncDirectory(parent);
    if (this.#durable.size >= MAX_REMEMBERED) this.#durable.clear();
    this.#durable.add(path);
  }

  /** The folder, or one above it, was or may have been removed. */
  forget(path: string): void {
    for (let folder = path; folder.length > this.#root.length; folder = dirname(folder)) {
      this.#durable.delete(folder);
    }
  }
}
