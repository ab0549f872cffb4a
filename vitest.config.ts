import { relative } from 'node:path';

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

import { builtModules } from './test/support/built-modules.ts';

/** Folders of tests that take long: begun last, they would keep one worker while the others have nothing. */
const LONG = ['test/e2e/', 'test/faults/', 'test/bench/', 'test/clients/'];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const turn = ({ moduleId }: TestSpecification): number => {
      const path = relative(import.meta.dirname, moduleId);
      const at = LONG.findIndex((folder) => path.startsWith(folder));
      return at === -1 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((a, b) => turn(a) - turn(b));
  }
}

export default defineConfig({
  // `npm test` has just built: there the tests run what is shipped.
  plugins: process.env['npm_lifecycle_event'] === 'test' ? [builtModules(import.meta.dirname)] : [],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
  },
});
