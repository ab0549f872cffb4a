import { readFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { digestOf } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { makeGolden, OLD_FILES, type GoldenKind } from './golden-inputs.ts';
import { withFolder } from './support.ts';

const FOLDER = new URL('../golden/', import.meta.url);

/** Deltas of each format version as they were first written: they have to apply for ever. */
const GOLDEN: readonly (readonly [version: number, kind: GoldenKind])[] = [
  [1, 'file'],
  [1, 'tar'],
  [1, 'image'],
  [2, 'file'],
  [2, 'tar'],
  [2, 'image'],
  [2, 'elf'],
  [2, 'elf-fast'],
];

function readGolden(version: number, kind: GoldenKind): Promise<Buffer> {
  return readFile(new URL(`delta-v${version}-${kind}.bin`, FOLDER));
}

describe('golden deltas', () => {
  it.each(GOLDEN)('of version %i apply: %s', async (version, kind) => {
    const delta = await openDelta(new BufferAccess(await readGolden(version, kind)));
    expect(delta.version).toBe(version);
    expect(delta.kind).toBe(kind.startsWith('elf') ? 'file' : kind);
    const [first] = OLD_FILES[kind];
    const base = new Map(OLD_FILES[kind].map((old) => [digestOf(old), new BufferAccess(old)]));
    const file = first === undefined ? undefined : new BufferAccess(first);
    let made = 0;
    // The applier checks each output's digest.
    await applyDelta(
      delta,
      { tar: (diffId) => Promise.resolve(delta.kind === 'image' ? base.get(diffId) : file) },
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

  it('of files and tars by the engine come out the same when they are built anew', async () => {
    await withFolder(async (folder) => {
      for (const kind of ['file', 'tar', 'elf'] as const) {
        expect((await makeGolden(kind, folder)).equals(await readGolden(2, kind))).toBe(true);
      }
    });
  });

  it('with streams of zlib or zstd stay about as long, whatever their version', async () => {
    await withFolder(async (folder) => {
      for (const kind of ['image', 'elf-fast'] as const) {
        const bytes = await makeGolden(kind, folder);
        expect(Math.abs(bytes.length - (await readGolden(2, kind)).length)).toBeLessThan(100);
      }
    });
  });
});
