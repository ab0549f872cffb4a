import { afterAll, beforeAll, describe, it } from 'vitest';

import { attemptPull, type Attempt } from '../faults/ostree-attempt.ts';
import type { Fault } from '../faults/ostree-fault-proxy.ts';
import { REF, startOstreeWorld, type OstreeWorld } from '../faults/ostree-world.ts';
import { GPG, GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');

/** The file, what happens to it, and what the client may say; without that, it has to end right. */
type Case = readonly [file: string, path: Path, fault: Fault, says?: RegExp];
/** The `.filez` of the large program, or what fits. */
type Path = RegExp | 'program';

const half = (kind: 'reset' | 'cut' | 'short' | 'flip'): Fault => ({ kind, share: 0.5 });
const status = (code: number): Fault => ({ kind: 'status', status: code });
const SLOW: Fault = { kind: 'slow', pieces: 8, pauseMs: 150 };
const LONG: Fault = { kind: 'long', bytes: 100 };

const [PART, SUPERBLOCK, INDEX] = [/\/deltas\/.*\/0$/, /\/superblock$/, /\.index$/];
const [SUMMARY, CONFIG, HEAD] = [/\/summary$/, /\/config$/, /\/refs\/heads\//];
const SIGNATURES = /\/summary\.sig$/;
/** What libostree says of bytes that are not as their checksum is. */
const WRONG = /[Cc]orrupt|checksum|[Ii]nvalid|Need more input/;
/** How curl and libostree call a connection that ended too early. */
const BROKEN =
  /Failure when receiving|partial file|reset by peer|Connection terminated|\[(18|56)\]/;

const DELTAS = ['--require-static-deltas'];
const OBJECTS = ['--disable-static-deltas'];

/** Of an update by a static delta. */
const DELTA_CASES: readonly Case[] = [
  ['part', PART, status(500)],
  ['part', PART, status(408)],
  ['part', PART, status(404), /404/],
  ['part', PART, half('reset'), BROKEN],
  ['part', PART, half('cut'), BROKEN],
  // libostree asks for a part again that is shorter than the superblock says.
  ['part', PART, half('short'), WRONG],
  ['part', PART, LONG, /exceeded maximum size/],
  ['part', PART, half('flip'), WRONG],
  ['part', PART, SLOW],
  ['superblock', SUPERBLOCK, status(500)],
  ['superblock', SUPERBLOCK, status(404), /deltas required, but none found/],
  ['superblock', SUPERBLOCK, half('reset'), BROKEN],
  ['superblock', SUPERBLOCK, half('flip'), /Invalid checksum/],
  ['index', INDEX, status(500)],
  ['index', INDEX, status(408)],
  // The summary lists it too.
  ['index', INDEX, status(404)],
  ['index', INDEX, half('cut'), BROKEN],
  ['summary', SUMMARY, status(500)],
  ['summary', SUMMARY, half('reset'), BROKEN],
  ['config', CONFIG, status(500)],
];

/** Where commits and summary are signed. */
const SIGNED_CASES: readonly Case[] = [
  ['summary', SUMMARY, half('flip'), /BAD|signature|summary/],
  ['summary.sig', SIGNATURES, half('flip'), /BAD|signature|GPG/],
  ['summary.sig', SIGNATURES, status(404), /signature|GPG/],
  ['part', PART, half('reset'), BROKEN],
  ['part', PART, half('flip'), WRONG],
  ['superblock', SUPERBLOCK, status(500)],
  ['index', INDEX, status(404)],
];

/** Where no summary is found: the client asks for the ref, and for a delta that it only guesses. */
const HEAD_CASES: readonly Case[] = [
  ['ref', HEAD, status(500)],
  ['ref', HEAD, status(404), /404/],
  ['ref', HEAD, half('cut'), BROKEN],
  ['ref', HEAD, half('short'), /[Ii]nvalid/],
  ['superblock', SUPERBLOCK, status(404)],
  ['part', PART, status(404), /404/],
  ['part', PART, half('reset'), BROKEN],
];

/** Of an update object by object. */
const OBJECT_CASES: readonly Case[] = [
  ['.filez', 'program', status(500)],
  ['.filez', 'program', status(408)],
  ['.filez', 'program', status(404), /404/],
  ['.filez', 'program', half('reset'), BROKEN],
  ['.filez', 'program', half('cut'), BROKEN],
  ['.filez', 'program', half('short'), WRONG],
  ['.filez', 'program', half('flip'), WRONG],
  ['.filez', 'program', LONG, WRONG],
  ['.filez', 'program', SLOW],
  ['.dirtree', /\.dirtree$/, half('flip'), WRONG],
  ['.dirtree', /\.dirtree$/, half('cut'), BROKEN],
  ['.commit', /\.commit$/, half('flip'), WRONG],
];

function named(cases: readonly Case[]) {
  return cases.map(([file, path, fault, says]) => {
    const what = fault.kind === 'status' ? fault.status : fault.kind;
    return { name: `${file}, ${what}`, path, fault, says };
  });
}

describe.skipIf(OSTREE === undefined || GPG === undefined)('a pull when something breaks', () => {
  let world: OstreeWorld;
  let home: GpgHome;
  let keys: Buffer;
  let program: RegExp;

  beforeAll(async () => {
    home = new GpgHome();
    const key = home.newKey('server@example.org');
    keys = home.publicKeys(key);
    world = await startOstreeWorld(home, [key]);
    const [, checksum = ''] = / ([0-9a-f]{64}) /.exec(
      world.source.run('ls', '-C', REF, '/usr/bin/program'),
    ) ?? [''];
    program = new RegExp(`/${checksum.slice(2)}\\.filez$`);
  });
  afterAll(async () => {
    await world.close();
    home.remove();
  });

  const run = (attempt: Omit<Attempt, 'path'> & { readonly path: Path }): Promise<void> =>
    attemptPull(world, { ...attempt, path: attempt.path === 'program' ? program : attempt.path });

  it.concurrent.each(named(DELTA_CASES))('by delta: $name', async (one) => {
    await run({ ...one, options: DELTAS });
  });

  it.concurrent.each(named(SIGNED_CASES))('by delta, all signed: $name', async (one) => {
    await run({ ...one, keys, options: DELTAS });
  });

  it.concurrent.each(named(HEAD_CASES))('by delta, without a summary: $name', async (one) => {
    for (const key of [undefined, keys]) await run({ ...one, keys: key, hidesSummary: true });
  });

  describe.each([
    { how: 'with a summary', hidesSummary: false },
    { how: 'without a summary', hidesSummary: true },
  ])('object by object, $how', ({ hidesSummary }) => {
    it.concurrent.each(named(OBJECT_CASES))('$name', async (one) => {
      for (const key of [undefined, keys]) {
        await run({ ...one, keys: key, hidesSummary, options: OBJECTS });
      }
    });
  });
});
