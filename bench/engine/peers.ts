import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { findTool, type Tool } from '../tools.ts';
import { casync } from './casync.ts';
import type { Coder } from './coder.ts';

/** A peer, and the programs that it needs; its first one names its version. */
interface Candidate {
  readonly name: string;
  readonly programs: readonly string[];
  readonly versionArgs: readonly string[];
  readonly open: (tools: readonly Tool[]) => Omit<Coder, 'name' | 'tool'>;
}

const LONG = ['--long=31', '-q', '-f'];

const CANDIDATES: readonly Candidate[] = [
  {
    ...{ name: 'bsdiff', programs: ['bsdiff', 'bspatch'], versionArgs: [] },
    open: ([diff, patch]) => ({
      title: 'bsdiff',
      encode: ({ oldFile, newFile, delta, run }) => run(at(diff), [oldFile, newFile, delta]),
      decode: ({ oldFile, delta, made, run }) => run(at(patch), [oldFile, made, delta]),
    }),
  },
  {
    ...{ name: 'hdiffpatch', programs: ['hdiffz', 'hpatchz'], versionArgs: ['-v'] },
    open: ([diff, patch]) => ({
      title: 'HDiffPatch -m-6 -SD lzma2-9',
      encode: ({ oldFile, newFile, delta, run }) =>
        run(at(diff), ['-m-6', '-SD', '-p-1', '-c-lzma2-9-64m', '-f', oldFile, newFile, delta]),
      decode: ({ oldFile, delta, made, run }) => run(at(patch), ['-f', oldFile, delta, made]),
    }),
  },
  {
    ...{ name: 'zucchini', programs: ['zucchini', 'xz'], versionArgs: ['-version'] },
    open: ([zucchini, xz]) => ({
      title: 'Zucchini + xz -9e',
      encode: async ({ oldFile, newFile, delta, scratch, run }) => {
        const patch = join(scratch, 'patch');
        await run(at(zucchini), ['-gen', oldFile, newFile, patch]);
        await run(at(xz), ['-9e', '-T1', patch]);
        await rename(`${patch}.xz`, delta);
      },
      decode: async ({ oldFile, delta, made, scratch, run }) => {
        const patch = join(scratch, 'patch');
        await copyFile(delta, `${patch}.xz`);
        await run(at(xz), ['-d', `${patch}.xz`]);
        await run(at(zucchini), ['-apply', oldFile, patch, made]);
      },
    }),
  },
  {
    ...{ name: 'zstd', programs: ['zstd'], versionArgs: ['--version'] },
    open: ([zstd]) => ({
      title: 'zstd -19 --patch-from',
      encode: ({ oldFile, newFile, delta, run }) =>
        run(at(zstd), ['-19', ...LONG, `--patch-from=${oldFile}`, newFile, '-o', delta]),
      decode: ({ oldFile, delta, made, run }) =>
        run(at(zstd), ['-d', ...LONG, `--patch-from=${oldFile}`, delta, '-o', made]),
    }),
  },
  {
    ...{ name: 'xdelta3', programs: ['xdelta3'], versionArgs: ['-V'] },
    open: ([xdelta]) => ({
      title: 'xdelta3 -9 -S lzma',
      encode: ({ oldFile, newFile, delta, run }) =>
        run(at(xdelta), ['-e', '-f', '-9', '-S', 'lzma', '-s', oldFile, newFile, delta]),
      decode: ({ oldFile, delta, made, run }) =>
        run(at(xdelta), ['-d', '-f', '-s', oldFile, delta, made]),
    }),
  },
  {
    ...{ name: 'rdiff', programs: ['rdiff', 'zstd'], versionArgs: ['--version'] },
    open: ([rdiff, zstd]) => ({
      title: 'rdiff + zstd -19',
      encode: async ({ oldFile, newFile, delta, scratch, run }) => {
        const [signature, raw] = [join(scratch, 'signature'), join(scratch, 'raw')];
        await run(at(rdiff), ['signature', oldFile, signature]);
        await run(at(rdiff), ['delta', signature, newFile, raw]);
        await run(at(zstd), ['-19', '-q', '-f', raw, '-o', delta]);
      },
      decode: async ({ oldFile, delta, made, scratch, run }) => {
        const raw = join(scratch, 'unpacked');
        await run(at(zstd), ['-d', '-q', '-f', delta, '-o', raw]);
        await run(at(rdiff), ['patch', oldFile, raw, made]);
      },
    }),
  },
  {
    ...{ name: 'casync', programs: ['casync'], versionArgs: ['--version'] },
    open: ([tool]) => casync(at(tool)),
  },
  {
    ...{ name: 'full', programs: ['zstd'], versionArgs: ['--version'] },
    open: ([zstd]) => ({
      title: 'zstd -19, whole',
      encode: ({ newFile, delta, run }) => run(at(zstd), ['-19', '-q', '-f', newFile, '-o', delta]),
      decode: ({ delta, made, run }) => run(at(zstd), ['-d', '-q', '-f', delta, '-o', made]),
    }),
  },
];

/** Names for `--peers`. */
export const PEER_NAMES: readonly string[] = CANDIDATES.map(({ name }) => name);

export interface Peers {
  readonly found: readonly Coder[];
  /** Programs that the others would need. */
  readonly absent: readonly string[];
}

/** Those of the named peers whose programs are on the PATH or at the path in `RIVULET_<PROGRAM>`. */
export async function findPeers(names: readonly string[]): Promise<Peers> {
  const found: Coder[] = [];
  const absent: string[] = [];
  for (const { name, programs, versionArgs, open } of CANDIDATES) {
    if (!names.includes(name)) continue;
    const tools: Tool[] = [];
    for (const program of programs) {
      const tool = await findTool(program, versionArgs);
      if (tool === undefined) absent.push(program);
      else tools.push(tool);
    }
    const [tool] = tools;
    if (tool !== undefined && tools.length === programs.length) {
      found.push({ name, tool, ...open(tools) });
    }
  }
  return { found, absent };
}

function at(tool: Tool | undefined): string {
  if (tool === undefined) throw new Error('a peer was opened without its program');
  return tool.path;
}
