import { readFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { digestOf } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { makeGolden, OLD_FILES } from './golden-inputs.ts';
import { hasBsdiff, withFolder } from './support.ts';

const FOLDER = new URL('../golden/', import.meta.url);

const isComplete = await hasBsdiff();

/** Deltas of format version 1 as they were first written: they have to apply for ever. */
describe('golden deltas of version 1', () => {
  it.each(['file', 'tar', 'image'] as const)('%s', async (kind) => {
    const bytes = await readFile(new URL(`delta-v1-${kind}.bin`, FOLDER));
    const delta = await openDelta(new BufferAccess(bytes));
    expect(delta.kind).toBe(kind);
    const base = new Map(OLD_FILES[kind].map((old) => [digestOf(old), new BufferAccess(old)]));
    let made = 0;
    // The applier checks each output's digest.
    await applyDelta(
      delta,
      { tar: (diffId) => Promise.resolve(base.get(diffId)) },
      {
        output: () => {
          made += 1;
          return Promise.resolve(
            new Writable({
              write: (_bytes, _encoding, done) => {
                done();
              },
            }),
          );
        },
      },
    );
    expect(made).toBe(1);
  });

  it.skipIf(!isComplete)('come out alike when they are built anew', async () => {
    await withFolder(async (folder) => {
      for (const kind of ['file', 'tar', 'image'] as const) {
        const bytes = await makeGolden(kind, folder);
        const golden = await readFile(new URL(`delta-v1-${kind}.bin`, FOLDER));
        // zlib and zstd of another version may compress differently: sizes stay close.
        expect(Math.abs(bytes.length - golden.length)).toBeLessThan(100);
      }
    });
  });
});
