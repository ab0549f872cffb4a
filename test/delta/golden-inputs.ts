import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { buildImageDelta } from '../../delta/build.ts';
import { buildFileDelta } from '../../delta/files.ts';
import { readImage } from '../../delta/image.ts';
import { openLayers } from '../../delta/layers.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { createMemoryStore } from '../../storage/drivers/memory.ts';
import { makeTar, noise, prose, pushImage, quickBsdiff, touched } from './support.ts';
import { tinyElf } from './tiny-elf.ts';

export type GoldenKind = 'file' | 'tar' | 'image' | 'elf' | 'elf-fast';

const PROGRAM = Buffer.concat([noise(2000, 1), prose(3000, 2), Buffer.alloc(5000)]);
const NEXT_PROGRAM = Buffer.concat([touched(PROGRAM, 30, 3), prose(200, 4)]);
const STATIC = makeTar([{ name: 'static', bytes: prose(500, 5) }]);
const TREE = makeTar([
  { name: 'bin/' },
  { name: 'bin/program', bytes: PROGRAM },
  { name: 'notes', bytes: prose(700, 6) },
]);
const NEXT_TREE = makeTar([
  { name: 'bin/', mtime: 1 },
  { name: 'bin/program', bytes: NEXT_PROGRAM },
  { name: 'more', bytes: prose(300, 7) },
  { name: 'notes', bytes: prose(700, 6) },
]);

const ELF = tinyElf(400, 1, new Set());
const NEXT_ELF = tinyElf(400, 1, new Set([9, 200]));

const FILES = {
  file: [PROGRAM, NEXT_PROGRAM],
  tar: [TREE, NEXT_TREE],
  elf: [ELF, NEXT_ELF],
  'elf-fast': [ELF, NEXT_ELF],
} as const;

/** What each golden delta is applied to. */
export const OLD_FILES: Readonly<Record<GoldenKind, readonly Buffer[]>> = {
  file: [PROGRAM],
  tar: [TREE],
  image: [STATIC, TREE],
  elf: [ELF],
  'elf-fast': [ELF],
};

/** Builds the delta anew. */
export async function makeGolden(kind: GoldenKind, folder: string): Promise<Buffer> {
  const output = join(folder, `made-${kind}`);
  const profile = kind === 'elf-fast' ? 'fast' : 'small';
  const options = { output, scratch: folder, profile, loadBsdiff: quickBsdiff } as const;
  if (kind === 'image') {
    const blobs = new BlobStore(createMemoryStore());
    const oldImage = await readImage(
      blobs,
      await pushImage(blobs, [STATIC, TREE], { plain: true }),
    );
    const newImage = await readImage(
      blobs,
      await pushImage(blobs, [STATIC, NEXT_TREE], { plain: true }),
    );
    const from = await openLayers(blobs, oldImage, join(folder, 'from'));
    const to = await openLayers(blobs, newImage, join(folder, 'to'));
    await buildImageDelta({ from, to, ...options });
    await from.close();
    await to.close();
    return readFile(output);
  }
  const [old, fresh] = FILES[kind];
  await writeFile(join(folder, 'old'), old);
  await writeFile(join(folder, 'new'), fresh);
  await buildFileDelta({ old: join(folder, 'old'), new: join(folder, 'new'), ...options });
  return readFile(output);
}
