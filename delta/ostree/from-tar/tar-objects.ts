import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import { DeltaError } from '../../errors.ts';
import { utf8Text } from '../gvariant/text.ts';
import { checksumOf, type Checksum } from '../objects/checksum.ts';
import { formatDirmeta } from '../objects/dirmeta.ts';
import { FileHasher } from '../objects/file-checksum.ts';
import { formatStreamHeader, type FileHeader } from '../objects/file-header.ts';
import { S_IFDIR, S_IFLNK, S_IFREG } from '../objects/mode.ts';
import { metadataObject } from '../objects/stored-object.ts';
import { Spool } from '../static-delta/spool.ts';
import { tarEntries, type TarFile } from './tar-entries.ts';
import { GrowingTree } from './tree.ts';
import { shownPath, treePath } from './tree-path.ts';

export interface TarObjectsOptions {
  /** A folder for the content of a file while its checksum is made. */
  readonly scratch: string;
}

/** The root of a tree that is whole. */
export interface TreeRoot {
  readonly tree: Checksum;
  readonly meta: Checksum;
}

interface HardLink {
  readonly path: readonly string[];
  readonly target: Buffer;
}

const MAX_ENTRIES = 1_000_000;
const READ_BYTES = 256 * 1024;

/**
 * The objects of the tree in a tar, as `ostree commit --tree=tar=FILE --tar-autocreate-parents` makes
 * them, and at its end the root. Owners, permissions (a symlink's too) and xattrs are the tar's; where
 * it names no directory, that is root's with mode 0755. A hard link is the file that its target is at
 * the end of the tar. Each object is to be read before the next is asked for.
 *
 * Throws `bad_format`, naming the entry, for devices, fifos and sparse files, for paths with `..`, for
 * links that lead nowhere, and for what is no tar; `too_large` past a million entries.
 */
export async function* tarObjects(
  source: AsyncIterable<Uint8Array>,
  options: TarObjectsOptions,
): AsyncGenerator<IncomingObject, TreeRoot> {
  const metas = new Map<Checksum, Buffer>();
  const dirmeta = (file: Pick<TarFile, 'uid' | 'gid' | 'permissions' | 'xattrs'>): Checksum => {
    const bytes = formatDirmeta({ ...file, mode: S_IFDIR | file.permissions });
    const checksum = checksumOf(bytes);
    metas.set(checksum, bytes);
    return checksum;
  };
  const plain = dirmeta({ uid: 0, gid: 0, permissions: 0o755, xattrs: [] });
  const tree = new GrowingTree(plain);
  const links: HardLink[] = [];
  let count = 0;
  for await (const file of tarEntries(source)) {
    if ((count += 1) > MAX_ENTRIES) {
      throw new DeltaError('too_large', `the tar has more than ${MAX_ENTRIES} entries`);
    }
    const path = treePath(file.path);
    switch (file.is.kind) {
      case 'directory':
        tree.setDirectory(path, dirmeta(file));
        break;
      case 'hardlink':
        links.push({ path, target: file.is.target });
        break;
      case 'file':
      case 'symlink':
        tree.setFile(path, yield* fileObject(file, headerOf(file), options));
        break;
      case 'other':
        throw new DeltaError(
          'bad_format',
          `the tar's entry ${shownPath(file.path)} is a device, a fifo or of a type that is not known (${JSON.stringify(file.is.type)}): OSTree keeps files, directories and symlinks`,
        );
    }
  }
  resolveLinks(tree, links);
  const dirtrees = new Map<Checksum, Buffer>();
  const root = tree.finish((checksum, bytes) => dirtrees.set(checksum, bytes));
  for (const [checksum, bytes] of metas) yield metadataObject('dirmeta', checksum, bytes);
  for (const [checksum, bytes] of dirtrees) yield metadataObject('dirtree', checksum, bytes);
  return root;
}

function headerOf({ is, path, uid, gid, permissions, xattrs }: TarFile): FileHeader {
  if (is.kind !== 'symlink') return { uid, gid, mode: S_IFREG | permissions, target: '', xattrs };
  const target = utf8Text(is.target);
  if (target === undefined) {
    throw new DeltaError('bad_format', `the tar's symlink ${shownPath(path)} leads to no UTF-8`);
  }
  return { uid, gid, mode: S_IFLNK | permissions, target, xattrs };
}

async function* fileObject(
  { content, size }: TarFile,
  header: FileHeader,
  { scratch }: TarObjectsOptions,
): AsyncGenerator<IncomingObject, Checksum> {
  const hasher = new FileHasher(header);
  const spool = new Spool(scratch);
  try {
    for await (const part of content) {
      hasher.update(part);
      await spool.append(part);
    }
    const checksum = hasher.digest();
    yield {
      name: { kind: 'file', checksum: parseOstreeChecksum(checksum) },
      header: formatStreamHeader(header),
      size,
      content: spooled(spool),
      children: [],
    };
    return checksum;
  } finally {
    await spool.close();
  }
}

async function* spooled(spool: Spool): AsyncGenerator<Buffer, void> {
  const bytes = spool.slice(0, spool.size);
  for (let at = 0; at < bytes.size; at += READ_BYTES) {
    yield await bytes.read(at, Math.min(READ_BYTES, bytes.size - at));
  }
}

/** Links to links too, in whatever order they stand: each is followed once. */
function resolveLinks(tree: GrowingTree, links: readonly HardLink[]): void {
  const byPath = new Map(links.map((link) => [link.path.join('/'), link]));
  for (const link of links) {
    const chain = new Set<HardLink>();
    let next: HardLink | undefined = link;
    let found: Checksum | undefined;
    while (found === undefined && next !== undefined && !chain.has(next)) {
      chain.add(next);
      const target = treePath(next.target);
      found = tree.file(target);
      next = byPath.get(target.join('/'));
    }
    if (found === undefined) {
      throw new DeltaError(
        'bad_format',
        `the tar's hard link ${JSON.stringify(link.path.join('/'))} leads to ${shownPath(link.target)}, where no file is`,
      );
    }
    for (const { path } of chain) tree.setFile(path, found);
  }
}
