import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { metadataChildren } from '../../../../delta/ostree/objects/children.ts';
import { parseDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import { parseCommit } from '../../../../delta/ostree/objects/commit.ts';
import { readFilez } from '../../../../delta/ostree/objects/filez-read.ts';
import {
  objectPath,
  type MetadataKind,
  type ObjectName,
} from '../../../../delta/ostree/objects/object-name.ts';
import type { FileContent } from '../../../../delta/ostree/static-delta/object-sink.ts';
import { BufferAccess } from '../../../../storage/random-access.ts';

/** A repository of mode archive in a folder, as far as deltas need it. */
export class ArchiveRepo {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: ObjectName): string {
    return join(this.folder, objectPath(name));
  }

  metadata(kind: MetadataKind, checksum: Checksum): Promise<Buffer> {
    return readFile(this.path({ kind, checksum }));
  }

  async file(checksum: Checksum): Promise<FileContent> {
    const source = createReadStream(this.path({ kind: 'file', checksum }));
    const { header, content } = await readFilez(source, { checksum });
    const pieces: Buffer[] = [];
    for await (const piece of content) pieces.push(piece);
    return { header, content: new BufferAccess(Buffer.concat(pieces)) };
  }

  /** Every object that a commit reaches but its parents, itself first; each once. */
  async closure(commit: Checksum): Promise<readonly ObjectName[]> {
    const seen = new Map<string, ObjectName>();
    const queue: ObjectName[] = [{ kind: 'commit', checksum: commit }];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const key = `${next.kind} ${next.checksum}`;
      if (seen.has(key)) continue;
      seen.set(key, next);
      if (next.kind === 'file') continue;
      queue.push(...metadataChildren(next.kind, await this.metadata(next.kind, next.checksum)));
    }
    return [...seen.values()];
  }

  /** Where each file of a commit stands: `/usr/bin/true`. */
  async paths(commit: Checksum): Promise<ReadonlyMap<Checksum, readonly string[]>> {
    const paths = new Map<Checksum, string[]>();
    const visit = async (tree: Checksum, folder: string): Promise<void> => {
      const { files, directories } = parseDirtree(await this.metadata('dirtree', tree));
      for (const { name, checksum } of files) {
        const known = paths.get(checksum) ?? [];
        paths.set(checksum, [...known, `${folder}/${name}`]);
      }
      for (const { name, tree: below } of directories) await visit(below, `${folder}/${name}`);
    };
    await visit(parseCommit(await this.metadata('commit', commit)).tree, '');
    return paths;
  }
}
