import type { RepoName } from '../../../storage/names.ts';
import { parseServerUrl } from '../http-client.ts';
import { createOutput } from '../output.ts';
import type { OpenedSource } from './open-source.ts';
import { OstreeServer } from './ostree-server.ts';
import { pushCommit } from './push-commit.ts';
import { branchOf, parseDepth, tokenOf, type CommitOptions } from './push-options.ts';
import { PushProgress, sayPushed } from './push-report.ts';

/** Pushes the commit of a source as the options say, shows how it goes, and closes the source. */
export async function pushSource(
  open: () => Promise<OpenedSource>,
  repo: RepoName,
  options: CommitOptions,
): Promise<void> {
  const server = new OstreeServer(parseServerUrl(options.server), repo, tokenOf(options));
  const depth = parseDepth(options.depth);
  const output = createOutput(options.json === true);
  const { source, from, close } = await open();
  try {
    const ref = branchOf(options.branch, from);
    const progress = new PushProgress(output);
    const force = options.force === true;
    const report = await pushCommit({ source, from, server, ref, depth, force }, progress);
    sayPushed(output, repo, ref, report, progress.sentBytes);
  } finally {
    output.finish();
    await close();
  }
}
