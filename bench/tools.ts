import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A program that is installed, with what it says of its version. */
export interface Tool {
  readonly name: string;
  readonly path: string;
  readonly version: string;
}

/**
 * Looks for a program: at the path in `RIVULET_<NAME>`, on the PATH, in Go's folder for installed
 * programs. `versionArgs` make it print its version. Undefined when it is not there; throws when the variable
 * names what can't be run.
 */
export async function findTool(
  name: string,
  versionArgs: readonly string[],
): Promise<Tool | undefined> {
  const path = await findExecutable(name);
  if (path === undefined) return undefined;
  try {
    const { stdout, stderr } = await run(path, [...versionArgs]);
    return { name, path, version: firstLine(`${stdout}\n${stderr}`).slice(0, 300) };
  } catch {
    // Some know no version flag: they print their usage and fail.
    return { name, path, version: await packageVersion(name) };
  }
}

/** As {@link findTool}; throws with how to install it when it is not there. */
export async function needTool(
  name: string,
  versionArgs: readonly string[],
  install: string,
): Promise<Tool> {
  const tool = await findTool(name, versionArgs);
  if (tool === undefined) throw new Error(`${name} is not installed: ${install}`);
  return tool;
}

async function findExecutable(name: string): Promise<string | undefined> {
  const variable = `RIVULET_${name.toUpperCase()}`;
  const given = process.env[variable];
  if (given !== undefined && given !== '') {
    if ((await firstExecutable([given])) !== undefined) return given;
    const remedy = `correct it, or unset it to look for ${name} on the PATH`;
    throw new Error(`${variable}: no program that can be run at ${given}: ${remedy}`);
  }
  const found = await firstExecutable(onPath(name));
  if (found !== undefined) return found;
  const go = await firstExecutable(onPath('go'));
  if (go === undefined) return undefined;
  const { stdout } = await run(go, ['env', 'GOPATH']);
  return firstExecutable([join(stdout.trim(), 'bin', name)]);
}

function onPath(name: string): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const there = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
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
