import { cp, rm } from 'node:fs/promises';

import type { Commits } from '../corpus/open-trees.ts';
import type { OstreeTool } from '../ostree-tool.ts';

/** A copy of the commits' repository, for the stock command to work in and for nginx to serve. */
export async function copyRepo({ repo }: Commits, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(repo, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

/** Publishes the summary, as one does after generating deltas. */
export async function updateSummary(ostree: OstreeTool, repo: string): Promise<void> {
  await ostree.run('summary', '--update', `--repo=${repo}`);
}
