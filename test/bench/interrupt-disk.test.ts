import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  DISK_FAULT_ENV,
  type DiskFault,
  type DiskReport,
} from '../../bench/interrupt/disk/fault.ts';
import { DiskModel } from '../../bench/interrupt/disk/disk-model.ts';
import { Random } from '../../bench/fuzz/random.ts';

const PRELOAD = resolve(import.meta.dirname, '../../dist/bench/interrupt/disk/preload.js');
/** Draws are many enough that each of a few outcomes comes up. */
const SEEDS = 60;

let dir: string;
let root: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-disk-'));
  root = join(dir, 'disk');
  await mkdir(root);
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** What the folder may be after a power cut: the same steps, cut under many seeds. */
async function remains(
  steps: (model: DiskModel) => void,
  prepare: () => Promise<void>,
): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < SEEDS; seed += 1) {
    await rm(root, { recursive: true });
    await mkdir(root);
    await prepare();
    const model = new DiskModel(root);
    steps(model);
    model.cut(new Random('disk', seed));
    const names = (await readdir(root)).sort();
    const texts = await Promise.all(names.map((name) => readFile(join(root, name), 'latin1')));
    seen.add(names.map((name, n) => `${name}=${texts[n] ?? ''}`).join(' '));
  }
  return seen;
}

describe('the disk model', () => {
  it('keeps what fsync covers and any part of the rest', async () => {
    const prepare = (): Promise<void> => writeFile(join(root, 'old'), 'old');
    const create = (model: DiskModel): void => {
      const file = model.create(join(root, 'new'), 0o644);
      model.write(file, 0, Buffer.from('abc'));
    };
    const loose = await remains(create, prepare);
    expect(loose).toContain('old=old');
    expect(loose).toContain('new=abc old=old');
    expect(loose).toContain('new= old=old');
    const synced = await remains((model) => {
      create(model);
      for (const path of [join(root, 'new'), root]) {
        const node = model.find(path);
        if (node !== undefined) model.sync(node);
      }
    }, prepare);
    expect([...synced]).toEqual(['new=abc old=old']);
  });

  it('does not take a file for durable because its folder is, nor the other way round', async () => {
    const prepare = (): Promise<void> => Promise.resolve();
    const create = (model: DiskModel, sync: string): void => {
      const file = model.create(join(root, 'new'), 0o644);
      model.write(file, 0, Buffer.from('abc'));
      const node = model.find(sync);
      if (node !== undefined) model.sync(node);
    };
    const named = await remains((model) => {
      create(model, root);
    }, prepare);
    expect(named).toContain('new=');
    const written = await remains((model) => {
      create(model, join(root, 'new'));
    }, prepare);
    expect([...written].sort()).toEqual(['', 'new=abc']);
  });

  it('renames whole or not at all, and fills a gap between writes with zeros', async () => {
    const seen = await remains(
      (model) => {
        const file = model.create(join(root, 'a.tmp'), 0o644);
        model.write(file, 0, Buffer.from('12'));
        model.write(file, 2, Buffer.from('34'));
        model.sync(file);
        model.sync(model.find(root) ?? file);
        model.rename(join(root, 'a.tmp'), join(root, 'a'));
      },
      () => writeFile(join(root, 'a'), 'old'),
    );
    expect([...seen].sort()).toEqual(['a=1234', 'a=old a.tmp=1234']);
    const torn = await remains(
      (model) => {
        const file = model.file(join(root, 'a'));
        if (file === undefined) throw new Error('no file');
        model.write(file, 0, Buffer.from('12'));
        model.write(file, 2, Buffer.from('34'));
      },
      () => writeFile(join(root, 'a'), ''),
    );
    expect(torn).toContain('a=\0\x0034');
    expect(torn).toContain('a=12');
  });
});

/** Runs a module that uses the disk under the preload. */
async function underFault(
  code: string,
  fault: Pick<DiskFault, 'kind' | 'at'> & { readonly seed?: string },
): Promise<{
  readonly report: DiskReport;
  readonly signal: string | null;
  readonly stderr: string;
}> {
  if (!existsSync(PRELOAD)) throw new Error(`${PRELOAD} is missing: run "npm run build" first`);
  const script = join(dir, 'script.mjs');
  await writeFile(script, code);
  const report = join(dir, 'report.json');
  const full: DiskFault = { root, seed: 'seed', report, ...fault };
  const { signal, stderr } = spawnSync(
    process.execPath,
    ['--import', pathToFileURL(PRELOAD).href, script],
    { env: { ...process.env, [DISK_FAULT_ENV]: JSON.stringify(full) }, encoding: 'utf8' },
  );
  return { report: JSON.parse(await readFile(report, 'utf8')) as DiskReport, signal, stderr };
}

describe('the preload', () => {
  const write = (): string => `
    import { link, mkdir, open, rename, rm } from 'node:fs/promises';
    const at = ${JSON.stringify(root)};
    await mkdir(at + '/sub/deep', { recursive: true });
    const file = await open(at + '/sub/deep/x', 'w');
    await file.writeFile('0123');
    await file.writeFile('4567');
    await file.write(Buffer.from('ZZ'), 0, 2, 1);
    await file.sync();
    await file.close();
    await rename(at + '/sub/deep/x', at + '/y');
    await link(at + '/y', at + '/z');
    await rm(at + '/sub', { recursive: true });
    const folder = await open(at);
    await folder.sync();
  `;

  it('follows the calls: what was synced is what the process saw', async () => {
    const { report, signal, stderr } = await underFault(write(), { kind: 'cut', at: 10 });
    expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
    expect(report).toMatchObject({ steps: 10, struck: true, lostWrites: 0 });
    expect((await readdir(root)).sort()).toEqual(['y', 'z']);
    expect(await readFile(join(root, 'y'), 'utf8')).toBe('0ZZ34567');
    expect((await stat(join(root, 'y'))).nlink).toBe(2);
  });

  it('strikes at the step that is asked, and says at the exit how many there were', async () => {
    for (const at of [1, 4, 7, 9]) {
      await rm(root, { recursive: true });
      await mkdir(root);
      const { report } = await underFault(write(), { kind: 'cut', at, seed: `${at}` });
      expect(report).toMatchObject({ steps: at, struck: true });
    }
    const { report, signal } = await underFault(write(), { kind: 'cut', at: 99 });
    expect({ signal, struck: report.struck }).toEqual({ signal: null, struck: false });
  });

  it('fills the disk, and refuses a call that it would miss', async () => {
    const full = await underFault(write(), { kind: 'full', at: 3 });
    expect(full.stderr).toContain('ENOSPC');
    expect((await stat(join(root, 'sub/deep/x'))).size).toBe(0);
    const unknown = `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(join(root, 'w'))}, 'w');`;
    const { stderr } = await underFault(unknown, { kind: 'cut', at: 99 });
    expect(stderr).toContain('does not know writeFileSync');
  });
});
