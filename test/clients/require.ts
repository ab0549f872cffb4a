import { accessSync, constants } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

/**
 * The path of a program that a test needs: from `RIVULET_<NAME>`, the PATH, or Go's folder for
 * installed programs. Undefined when it is not there, after a line that says what is skipped; under
 * `CI=true` that is an error, since there everything must run.
 */
export function needTool(name: string): string | undefined {
  const variable = `RIVULET_${name.toUpperCase().replaceAll('-', '_')}`;
  const candidates = [process.env[variable], ...onPath(name), ...inGoFolder(name)];
  const found = candidates.find((path) => path !== undefined && path !== '' && isExecutable(path));
  if (found !== undefined) return found;
  skip(`${name} is not installed (looked at ${variable}, PATH and Go's bin folder)`);
  return undefined;
}

/** {@link needTool} for one that mounts file systems: without root it is as if it weren't there. */
export function needRootTool(name: string): string | undefined {
  const found = needTool(name);
  if (found === undefined || process.getuid?.() === 0) return found;
  skip(`${name} can't mount file systems here, since this is not root`);
  return undefined;
}

function skip(message: string): void {
  if (process.env['CI'] === 'true') throw new Error(message);
  process.stdout.write(`skip: ${message}\n`);
}

function onPath(name: string): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
}

function inGoFolder(name: string): string[] {
  const go = onPath('go').find(isExecutable);
  if (go === undefined) return [];
  return [join(execFileSync(go, ['env', 'GOPATH'], { encoding: 'utf8' }).trim(), 'bin', name)];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
