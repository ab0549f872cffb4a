import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { objectFileName } from '../../../../delta/ostree/objects/object-name.ts';
import { ArchiveSource } from '../../../../delta/ostree/source/archive-source.ts';
import { LocalSource } from '../../../../delta/ostree/source/local-source.ts';
import type { ObjectSource } from '../../../../delta/ostree/source/object-source.ts';
import type { RepoFiles } from '../../../../delta/ostree/source/repo-files.ts';
import { commitHistory, walkCommit } from '../../../../delta/ostree/source/walk-commit.ts';
import { rejectionOf } from '../code-of.ts';
import { collect } from '../collect.ts';
import { fillTree, OSTREE, RealRepo } from '../real-repo.ts';

/** The files of a folder, as a source on the web would give them. */
class FolderFiles implements RepoFiles {
  readonly label = 'the folder';
  readonly concurrency = 8;
  reads = 0;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  read(path: string): Promise<Buffer | undefined> {
    this.reads += 1;
    try {
      return Promise.resolve(readFileSync(join(this.#path, path)));
    } catch {
      return Promise.resolve(undefined);
    }
  }

  async open(path: string): Promise<AsyncIterable<Buffer> | undefined> {
    const bytes = await this.read(path);
    return bytes === undefined ? undefined : one(bytes);
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield await Promise.resolve(bytes);
}

describe.skipIf(OSTREE === undefined)('sources of commits', () => {
  let repo: RealRepo;
  const commits: Checksum[] = [];
  beforeAll(() => {
    repo = new RealRepo('archive');
    fillTree(repo.tree);
    for (const text of ['one', 'two', 'three']) {
      appendFileSync(join(repo.tree, 'etc/issue'), text);
      commits.unshift(repo.commit('main'));
    }
  });
  afterAll(() => {
    repo.remove();
  });
  const newest = (): Checksum => commits[0] ?? ('' as Checksum);

  it('walk the same objects wherever they are, each once', async () => {
    const files = new FolderFiles(repo.path);
    const archive = await ArchiveSource.open(files);
    const local = await LocalSource.open(repo.path);
    expect(await archive.resolveRef('main')).toBe(newest());
    const [names, others] = [await walked(archive, newest()), await walked(local, newest())];
    expect(names.toSorted()).toEqual(others.toSorted());
    expect(new Set(names).size).toBe(names.length);
    const seen = new Set(names);
    const older = commits[1] ?? newest();
    // Its commit, the dirtrees of / and /etc, and the file.
    expect(await walked(archive, older, seen)).toHaveLength(4);
  });

  it('read metadata once for the walk and for what follows', async () => {
    const files = new FolderFiles(repo.path);
    const source = await ArchiveSource.open(files);
    const names: string[] = [];
    for await (const name of walkCommit(source, newest(), new Set())) {
      if (name.kind !== 'file') names.push(objectFileName(name));
    }
    const before = files.reads;
    for await (const name of walkCommit(source, newest(), new Set())) names.push(name.kind);
    expect(files.reads).toBe(before);
  });

  it('follow the parents as far as wanted and as far as they are there', async () => {
    const source = await LocalSource.open(repo.path);
    const history = async (depth: number): Promise<string[]> => {
      const found: string[] = [];
      for await (const commit of commitHistory(source, newest(), depth)) found.push(commit);
      return found;
    };
    expect(await history(0)).toEqual(commits.slice(0, 1));
    expect(await history(1)).toEqual(commits.slice(0, 2));
    expect(await history(99)).toEqual(commits);
    const last = commits.at(-1) ?? '';
    rmSync(join(repo.path, 'objects', last.slice(0, 2), `${last.slice(2)}.commit`));
    expect(await history(99)).toEqual(commits.slice(0, -1));
  });

  it('give the exact bytes of an archive', async () => {
    for (const source of [
      await LocalSource.open(repo.path),
      await ArchiveSource.open(new FolderFiles(repo.path)),
    ]) {
      for await (const name of walkCommit(source, newest(), new Set())) {
        if (name.kind !== 'file') continue;
        const bytes = await collect(await source.openFilez(name.checksum));
        expect(bytes.equals(repo.object(name))).toBe(true);
      }
    }
  });

  it('name what is not there', async () => {
    const source = await ArchiveSource.open(new FolderFiles(repo.path));
    const none = 'ab'.repeat(32) as Checksum;
    for (const [run, text] of [
      [() => source.readMetadata('dirtree', none), `${none}.dirtree`],
      [() => source.openFilez(none), `${none}.filez`],
      [() => source.resolveRef('other'), 'other'],
      [() => ArchiveSource.open(new FolderFiles('/none')), 'the folder'],
    ] as const) {
      const { code, message } = await rejectionOf(run());
      expect(code).toBe('missing');
      expect(message).toContain(text);
    }
    const bare = new RealRepo('bare-user');
    const { code, message } = await rejectionOf(ArchiveSource.open(new FolderFiles(bare.path)));
    bare.remove();
    expect([code, message]).toEqual(['bad_format', expect.stringContaining('mode bare-user')]);
  });
});

async function walked(
  source: ObjectSource,
  commit: Checksum,
  seen = new Set<string>(),
): Promise<string[]> {
  const names: string[] = [];
  for await (const name of walkCommit(source, commit, seen)) names.push(objectFileName(name));
  return names;
}
