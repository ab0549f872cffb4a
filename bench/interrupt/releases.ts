import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { writeRelease, type WrittenImage } from '../demo/release.ts';
import { writeTar, type LayerFile } from '../demo/tar-writer.ts';
import { Random } from '../fuzz/random.ts';

export const PLATFORM = { os: 'linux', architecture: 'amd64' } as const;

/** Where in Node's own program the machine code of the releases is taken from. */
const LIBRARY_AT = 20_000_000;
const PROGRAM_AT = 30_000_000;
const ADDED_AT = 24_000_000;
const NOTES = 60;
const NOTE_BYTES = 3000;

/** How large a release is. */
export interface Shape {
  readonly libraryBytes: number;
  readonly programBytes: number;
  /** Of machine code that `two` has more. */
  readonly addedBytes: number;
  /** Of machine code that `three` has in place of other. */
  readonly changedBytes: number;
}

export const SMALL: Shape = {
  libraryBytes: 400_000,
  programBytes: 2_000_000,
  addedBytes: 150_000,
  changedBytes: 700_000,
};

/** As small as leaves every layer several chunks: most of a device's time goes into being struck. */
export const TINY: Shape = {
  libraryBytes: 200_000,
  programBytes: 900_000,
  addedBytes: 80_000,
  changedBytes: 350_000,
};

/** A release in an OCI layout, ready to be pushed. */
export interface Release {
  readonly name: string;
  /** What `rivulet push` takes. */
  readonly source: string;
  readonly image: WrittenImage;
}

/**
 * Three small releases of one image in real shapes: a library layer that stays, and a layer of a
 * program (machine code of the Node that runs this) and notes. `two` is `one` rebuilt: some addresses
 * moved, some code new; `three` has a part of its program and a sixth of its notes anew.
 */
export async function makeReleases(
  dir: string,
  shape: Shape,
): Promise<readonly [Release, Release, Release]> {
  const library = await machineCode(LIBRARY_AT, shape.libraryBytes);
  const program = await machineCode(PROGRAM_AT, shape.programBytes);
  const added = await machineCode(ADDED_AT, shape.addedBytes);
  const changed = await machineCode(ADDED_AT, shape.changedBytes);
  const base = writeTar([{ path: 'usr/lib/base.so', mode: 0o755, bytes: library }]);
  const write = async (name: string, code: Buffer, own: number): Promise<Release> => {
    const files = [{ path: 'usr/bin/app', mode: 0o755, bytes: code }, ...notes(name, own)];
    const layers = [
      { what: 'library', tar: base },
      { what: 'application', tar: writeTar(files) },
    ];
    const folder = join(dir, name);
    const [image] = await writeRelease(folder, name, [{ platform: PLATFORM, layers }]);
    if (image === undefined) throw new Error('a release of no image');
    return { name, source: `oci:${folder}:${name}`, image };
  };
  const third = Buffer.from(program);
  changed.copy(third, Math.floor(program.length / 3));
  return [
    await write('one', program, 0),
    await write('two', rebuilt(program, added), 3),
    await write('three', third, NOTES / 6),
  ];
}

async function machineCode(at: number, bytes: number): Promise<Buffer> {
  const file = await open(process.execPath);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
    if (bytesRead < bytes) throw new Error(`${process.execPath} is shorter than expected`);
    return buffer;
  } finally {
    await file.close();
  }
}

function rebuilt(program: Buffer, added: Buffer): Buffer {
  const random = new Random('rebuilt');
  const middle = Math.floor(program.length / 2);
  const longer = Buffer.concat([program.subarray(0, middle), added, program.subarray(middle)]);
  for (let n = 0; n < 300; n += 1) {
    const at = random.below(longer.length - 4);
    longer.writeUInt32LE((longer.readUInt32LE(at) + added.length) >>> 0, at);
  }
  return longer;
}

/** Text files of which the first `changed` are this release's own. */
function notes(release: string, changed: number): LayerFile[] {
  return Array.from({ length: NOTES }, (_, n) => {
    const random = new Random('note', n, n < changed ? release : '');
    let text = '';
    while (text.length < NOTE_BYTES) text += `${random.next().toString(36)} `;
    return { path: `srv/notes/${n}.txt`, mode: 0o644, bytes: Buffer.from(text) };
  });
}
