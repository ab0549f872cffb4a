import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Compiles AssemblyScript that stands beside the kernel's own entry: in `source`, `kernel/` at the
 * beginning of an import's path is delta/kernel.
 */
export function compileKernel(source: string): WebAssembly.Module {
  const folder = mkdtempSync(join(tmpdir(), 'rivulet-kernel-'));
  try {
    const kernel = relative(folder, join(ROOT, 'delta/kernel'));
    writeFileSync(join(folder, 'entry.ts'), source.replaceAll("'kernel/", `'${kernel}/`));
    const output = join(folder, 'kernel.wasm');
    const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
    const options = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert'];
    const entry = join(folder, 'entry.ts');
    execFileSync(process.execPath, [compiler, entry, '--outFile', output, ...options], {
      cwd: ROOT,
      stdio: 'pipe',
    });
    return new WebAssembly.Module(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
