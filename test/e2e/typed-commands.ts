import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, delimiter, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** The `sh` blocks under a heading of `docs/operate.md`, in order. */
export async function blocksOf(title: string): Promise<readonly string[]> {
  const document = await readFile(join(ROOT, 'docs/operate.md'), 'utf8');
  const section = document.split(/^###? /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

/** A folder in which commands are typed; `rivulet` and the programs named are on the PATH there. */
export class TypedCommands {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async in(dir: string, programs: readonly string[]): Promise<TypedCommands> {
    await mkdir(join(dir, 'bin'));
    const main = join(ROOT, 'dist/server/cli/main.js');
    const script = `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`;
    await writeFile(join(dir, 'bin/rivulet'), script, { mode: 0o755 });
    for (const program of programs) await symlink(program, join(dir, 'bin', basename(program)));
    return new TypedCommands(dir);
  }

  /** Types a script into bash; resolves to its exit code and all that it and its commands said. */
  async run(
    script: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const path = `${join(this.#dir, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    const child = spawn('bash', ['-c', script], {
      cwd: this.#dir,
      env: { ...process.env, PATH: path, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part: Buffer) => {
        output += part.toString();
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }
}
