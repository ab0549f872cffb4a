import { dirname, join, relative, resolve } from 'node:path';

import type { Plugin } from 'vitest/config';

const BUILT = ['server', 'delta', 'storage', 'bench'];

/**
 * Gives tests the compiled modules of `dist` where they import sources, loaded by Node itself: what is
 * shipped is what is tested, and no test waits until the sources of a server were transformed for it.
 */
export function builtModules(root: string): Plugin {
  return {
    name: 'built-modules',
    enforce: 'pre',
    resolveId(source, importer) {
      if (importer === undefined || !source.startsWith('.')) return undefined;
      const path = relative(root, resolve(dirname(importer), source));
      const isBuilt = BUILT.some((folder) => path.startsWith(`${folder}/`));
      if (!isBuilt || !path.endsWith('.ts')) return undefined;
      return { id: join(root, 'dist', `${path.slice(0, -'.ts'.length)}.js`), external: true };
    },
  };
}
