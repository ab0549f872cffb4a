import { execFile } from 'node:child_process';

export interface ToolOptions {
  readonly cwd?: string;
  /** The whole environment; without it, the test's own. */
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads on stdin. */
  readonly input?: string;
}

/** A client that hangs is ended, so that its test fails and leaves nothing running. */
const TIMEOUT_MS = 120_000;

/** Runs a program to its end and returns its stdout; rejects with its stderr when it fails. */
export function runTool(
  program: string,
  args: readonly string[],
  { input, ...options }: ToolOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { maxBuffer: 16 * 1024 * 1024, timeout: TIMEOUT_MS };
    const child = execFile(program, args, { ...limits, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr}`, { cause: error }));
    });
    child.stdin?.end(input);
  });
}
