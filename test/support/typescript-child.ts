import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

/**
 * Module hooks that strip the types of `.ts` files as they are loaded: Node 20 can't, and tests that
 * kill processes should run the sources as they are, not a build that may be old. What is stripped is
 * kept by the text's digest: a test may start many such processes.
 */
function hooks(): string {
  const typescript = pathToFileURL(createRequire(import.meta.url).resolve('typescript')).href;
  const load = `
    import { createHash, randomBytes } from 'node:crypto';
    import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
    import { tmpdir } from 'node:os';
    import { join } from 'node:path';
    const folder = join(tmpdir(), 'rivulet-typescript-' + process.getuid());
    const compilerOptions = { target: 'es2022', module: 'esnext', verbatimModuleSyntax: true };
    export async function load(url, context, next) {
      if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
      const text = await readFile(new URL(url), 'utf8');
      const name = createHash('sha256').update(text).digest('hex');
      const kept = join(folder, name + '.js');
      let source = await readFile(kept, 'utf8').catch(() => undefined);
      if (source === undefined) {
        const { default: ts } = await import(${JSON.stringify(typescript)});
        source = ts.transpileModule(text, { compilerOptions, fileName: url }).outputText;
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const fresh = kept + randomBytes(6).toString('hex');
        await writeFile(fresh, source);
        await rename(fresh, kept);
      }
      return { format: 'module', source, shortCircuit: true };
    }`;
  const register = `
    import { register } from 'node:module';
    register(${JSON.stringify(dataUrl(load))});`;
  return dataUrl(register);
}

function dataUrl(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** Starts a TypeScript program of the tests in a process of its own; its errors go to ours. */
export function spawnTypescript(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, ['--import', hooks(), file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
}
