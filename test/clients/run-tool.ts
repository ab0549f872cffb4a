import { execFile } from 'node:child_process';

/** Runs a program to its end and returns its stdout; rejects with its stderr when it fails. */
export function runTool(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr}`, { cause: error }));
    });
  });
}
