import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { needTool } from '../../clients/require.ts';
import { runRivulet, startRivulet, type CommandResult } from '../../clients/rivulet.ts';
import { runTool } from '../../clients/run-tool.ts';

/** The real command, where it is installed. */
export const OSTREE = needTool('ostree');

/** An origin, our command line and a stock client. */
export interface OstreeRig {
  /** For whatever the test writes; removed at the end. */
  readonly dir: string;
  readonly url: string;
  /** Runs `rivulet push SOURCE NAME --server URL ...`. */
  readonly push: (
    source: string,
    name: string,
    ...more: readonly string[]
  ) => Promise<CommandResult>;
  /** What `--json` made of a push that must work. */
  readonly pushed: (source: string, name: string, ...more: readonly string[]) => Promise<Pushed>;
  /** What a ref of a repository is, as a reader sees it. */
  readonly ref: (name: string, ref: string) => Promise<string | undefined>;
  /** Pulls a ref with the stock client into a new repository, checks every object; the repository. */
  readonly pull: (name: string, ref: string, ...more: readonly string[]) => Promise<PulledRepo>;
  readonly close: () => Promise<void>;
}

/** The last line of a push. */
export interface Pushed {
  readonly event: 'pushed';
  readonly ref: string;
  readonly commit: string;
  readonly before: string | null;
  readonly objects: number;
  readonly sent: number;
  readonly exists: number;
  readonly bytes: number;
}

export interface PulledRepo {
  readonly path: string;
  readonly run: (command: string, ...args: readonly string[]) => Promise<string>;
}

export async function startOstreeRig(): Promise<OstreeRig> {
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-ostree-cli-'));
  const data = join(dir, 'data');
  const server = await startRivulet(['serve', '--data', data, '--listen', '127.0.0.1:0']);
  let pulls = 0;
  const push: OstreeRig['push'] = (source, name, ...more) => {
    const target = more.includes('--server') ? [] : ['--server', server.url];
    return runRivulet(['push', source, name, ...target, ...more]);
  };
  return {
    dir,
    url: server.url,
    push,
    async pushed(source, name, ...more) {
      return pushedOf(await push(source, name, '--json', ...more));
    },
    async ref(name, ref) {
      const answer = await fetch(`${server.url}/ostree/${name}/refs/heads/${ref}`);
      return answer.ok ? (await answer.text()).trim() : undefined;
    },
    async pull(name, ref, ...more) {
      const path = join(dir, `pulled-${(pulls += 1)}`);
      const run: PulledRepo['run'] = (command, ...args) =>
        runTool(OSTREE ?? '', [command, `--repo=${path}`, ...args]);
      await run('init', '--mode=archive');
      await run('remote', 'add', '--no-gpg-verify', 'origin', `${server.url}/ostree/${name}`);
      await run('pull', ...more, 'origin', ref);
      await run('fsck', '--quiet');
      return { path, run };
    },
    async close() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The last line of `--json`; throws with what the command said when it failed. */
export function pushedOf({ code, stdout, stderr }: CommandResult): Pushed {
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (code !== 0 || stderr !== '') throw new Error(`push ended with ${code}: ${stderr}`);
  return JSON.parse(last) as Pushed;
}
