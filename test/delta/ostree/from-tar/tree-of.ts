import { tmpdir } from 'node:os';

import { tarObjects } from '../../../../delta/ostree/from-tar/tar-objects.ts';
import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { parseDirmeta, type Dirmeta } from '../../../../delta/ostree/objects/dirmeta.ts';
import { parseDirtree } from '../../../../delta/ostree/objects/dirtree.ts';
import {
  parseStreamHeader,
  type FileHeader,
} from '../../../../delta/ostree/objects/file-header.ts';
import { collect, inParts } from '../collect.ts';

/** A file of a tree that was made of a tar. */
export interface MadeFile extends FileHeader {
  readonly checksum: string;
  readonly content: string;
}

/** Everything in it by its path; a directory's ends with a slash, the root is `/`. */
export type MadeTree = ReadonlyMap<string, MadeFile | Dirmeta>;

/** Reads a tar as a push does and walks what came of it. */
export async function treeOf(tar: Uint8Array, partBytes = 1000): Promise<MadeTree> {
  const files = new Map<string, MadeFile>();
  const metadata = new Map<string, Buffer>();
  const objects = tarObjects(inParts(tar, partBytes), { scratch: tmpdir() });
  let step = await objects.next();
  for (; step.done !== true; step = await objects.next()) {
    const { name, header, size, content } = step.value;
    const bytes = await collect(content);
    if (bytes.length !== size) throw new Error(`${name.checksum} has ${bytes.length} bytes`);
    if (header === undefined) metadata.set(`${name.kind} ${name.checksum}`, bytes);
    else {
      const facts = { checksum: name.checksum, content: bytes.toString() };
      files.set(name.checksum, { ...parseStreamHeader(header), ...facts });
    }
  }
  const tree = new Map<string, MadeFile | Dirmeta>();
  const read = (kind: string, checksum: Checksum): Buffer => {
    const bytes = metadata.get(`${kind} ${checksum}`);
    if (bytes === undefined) throw new Error(`no ${kind} ${checksum}`);
    return bytes;
  };
  const walk = (path: string, dirtree: Checksum, dirmeta: Checksum): void => {
    tree.set(path, parseDirmeta(read('dirmeta', dirmeta)));
    const { files: entries, directories } = parseDirtree(read('dirtree', dirtree));
    for (const { name, checksum } of entries) {
      const file = files.get(checksum);
      if (file === undefined) throw new Error(`no file ${checksum} for ${path}${name}`);
      tree.set(`${path}${name}`, file);
    }
    for (const { name, tree: below, meta } of directories) walk(`${path}${name}/`, below, meta);
  };
  walk('/', step.value.tree, step.value.meta);
  return tree;
}
