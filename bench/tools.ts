import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A program that is installed, with what it says of its version; undefined when it is not there. */
export interface Tool {
  readonly name: string;
  readonly version: string;
}

/** Looks for a program on the PATH; `versionArgs` make it print its version. */
export async function findTool(
  name: string,
  versionArgs: readonly string[],
): Promise<Tool | undefined> {
  try {
    const { stdout, stderr } = await run(name, [...versionArgs]);
    return { name, version: firstLine(`${stdout}\n${stderr}`).slice(0, 60) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    // Some know no version flag: they print their usage and fail.
    return { name, version: await packageVersion(name) };
  }
}

/** The version of the Debian package of that name. */
async function packageVersion(name: string): Promise<string> {
  try {
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', name]);
    return stdout;
  } catch (error) {
    return `version unknown (${error instanceof Error ? firstLine(error.message) : 'no package'})`;
  }
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? 'version unknown'
  );
}

/** Runs a program to its end; throws with its words when it fails. */
export async function runTool(name: string, args: readonly string[]): Promise<void> {
  await run(name, [...args], { maxBuffer: 64 * 1024 * 1024 });
}
