import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { checksumOf, parseChecksum } from '../../../../delta/ostree/objects/checksum.ts';
import { formatCommit, parseCommit, type Commit } from '../../../../delta/ostree/objects/commit.ts';
import { formatDirmeta, parseDirmeta } from '../../../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree, parseDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { fileChecksum } from '../../../../delta/ostree/objects/file-checksum.ts';
import {
  formatFilezHeader,
  isSymlink,
  type FileHeader,
} from '../../../../delta/ostree/objects/file-header.ts';
import { readFilez } from '../../../../delta/ostree/objects/filez-read.ts';
import { writeFilez } from '../../../../delta/ostree/objects/filez-write.ts';
import {
  objectFileName,
  objectPath,
  parseObjectFileName,
  parseObjectPath,
  type MetadataKind,
} from '../../../../delta/ostree/objects/object-name.ts';
import { collect } from '../collect.ts';
import { fillTree, OSTREE, RealRepo } from '../real-repo.ts';

const REENCODE: Readonly<Record<MetadataKind, (bytes: Buffer) => Buffer>> = {
  commit: (bytes) => formatCommit(parseCommit(bytes)),
  dirtree: (bytes) => formatDirtree(parseDirtree(bytes)),
  dirmeta: (bytes) => formatDirmeta(parseDirmeta(bytes)),
};

describe.skipIf(OSTREE === undefined)('objects that the real command made', () => {
  let repo: RealRepo;

  beforeAll(() => {
    repo = new RealRepo('archive');
    fillTree(repo.tree);
    repo.commit('main', '--subject=One', '--body=more\ntext', '--timestamp=@1700000000');
    repo.commit('main', '--subject=Zwölf', '--add-metadata-string=version=1.2', '--owner-uid=1000');
  });

  afterAll(() => {
    repo.remove();
  });

  it('are named as they should be, encode to the same bytes and have our checksums', async () => {
    const seen = { commit: 0, dirtree: 0, dirmeta: 0, file: 0 };
    for (const path of repo.objects()) {
      const name = parseObjectPath(path);
      expect(objectPath(name)).toBe(path);
      expect(parseObjectFileName(objectFileName(name))).toEqual(name);
      seen[name.kind] += 1;
      const bytes = readFileSync(join(repo.path, path));
      if (name.kind === 'file') {
        const filez = await readFilez(createReadStream(join(repo.path, path)), name);
        const content = await collect(filez.content);
        expect(content.length).toBe(filez.size);
        expect(await fileChecksum(filez.header, [content])).toBe(name.checksum);
        const header = formatFilezHeader(filez);
        expect(bytes.subarray(0, header.length)).toEqual(header);
      } else {
        expect(REENCODE[name.kind](bytes)).toEqual(bytes);
        expect(checksumOf(bytes)).toBe(name.checksum);
      }
    }
    expect(seen.commit).toBe(2);
    expect(seen.dirtree).toBeGreaterThan(5);
    expect(seen.dirmeta).toBeGreaterThan(2);
    expect(seen.file).toBeGreaterThan(15);
  });

  it('hold what the tree held', async () => {
    const headers: FileHeader[] = [];
    for (const path of repo.objects().filter((path) => path.endsWith('.filez'))) {
      const filez = await readFilez(createReadStream(join(repo.path, path)));
      await collect(filez.content);
      headers.push(filez.header);
    }
    expect(headers.filter(isSymlink).map(({ target }) => target)).toContain('/etc/ünknown/target');
    expect(headers.map(({ mode }) => mode.toString(8))).toContain('104755');
    expect(headers.map(({ uid }) => uid)).toContain(1000);
    const named = headers.map(({ xattrs }) => xattrs.map(({ name }) => name.toString()).join());
    if (named.some((names) => names !== '')) expect(named).toContain('user.a,user.z');
  });

  it('say what the command was told', () => {
    const read = (rev: string): Commit =>
      parseCommit(
        repo.object({ kind: 'commit', checksum: parseChecksum(repo.run('rev-parse', rev)) }),
      );
    const parent = repo.run('rev-parse', 'main^');
    const commit = read('main');
    expect(commit).toMatchObject({ subject: 'Zwölf', body: '', parent, related: [] });
    expect(commit.metadata).toContainEqual(['version', { type: 's', value: '1.2' }]);
    expect(read('main^')).toMatchObject({ parent: undefined, timestamp: 1_700_000_000n });
    expect(read('main^').body.trim()).toBe('more\ntext');
  });

  it('can be written by us: a content object in their place passes fsck', async () => {
    for (const path of repo.objects().filter((path) => path.endsWith('.filez'))) {
      const full = join(repo.path, path);
      const filez = await readFilez(createReadStream(full));
      const content = await collect(filez.content);
      writeFileSync(full, await collect(writeFilez(filez, [content])));
    }
    expect(repo.run('fsck')).toContain('100%');
  });
});
