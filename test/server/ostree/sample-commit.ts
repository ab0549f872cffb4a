import { buffer } from 'node:stream/consumers';

import { checksumOf, type Checksum } from '../../../delta/ostree/objects/checksum.ts';
import { formatCommit, type Commit } from '../../../delta/ostree/objects/commit.ts';
import { formatDirmeta } from '../../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree } from '../../../delta/ostree/objects/dirtree.ts';
import { fileChecksum } from '../../../delta/ostree/objects/file-checksum.ts';
import type { FileHeader } from '../../../delta/ostree/objects/file-header.ts';
import { writeFilez } from '../../../delta/ostree/objects/filez-write.ts';
import type { NamedBytes } from './rig.ts';

export interface SampleCommit {
  readonly commit: Checksum;
  /** What a push of it sends: files, then the dirmeta, the dirtree, the commit. */
  readonly objects: readonly NamedBytes[];
}

export const HEADER: FileHeader = { uid: 0, gid: 0, mode: 0o100_644, target: '', xattrs: [] };

/** A file as a push sends it. */
export async function sampleFile(
  content: Buffer,
  header = HEADER,
): Promise<NamedBytes & { readonly checksum: Checksum }> {
  const checksum = await fileChecksum(header, [content]);
  const bytes = await buffer(writeFilez({ header, size: content.length }, [content]));
  return { checksum, name: `${checksum}.filez`, bytes };
}

/** A metadata object as a push sends it. */
export function sampleMetadata(kind: 'commit' | 'dirtree' | 'dirmeta', bytes: Buffer): NamedBytes {
  return { name: `${checksumOf(bytes)}.${kind}`, bytes };
}

/** A commit of one directory with these files. */
export async function sampleCommit(
  contents: Readonly<Record<string, Buffer | string>>,
  changes: Partial<Commit> = {},
): Promise<SampleCommit> {
  const files = await Promise.all(
    Object.entries(contents).map(async ([name, content]) => ({
      name,
      file: await sampleFile(Buffer.from(content)),
    })),
  );
  const meta = formatDirmeta({ uid: 0, gid: 0, mode: 0o040_755, xattrs: [] });
  const tree = formatDirtree({
    files: files.map(({ name, file }) => ({ name, checksum: file.checksum })),
    directories: [],
  });
  const commit = formatCommit({
    metadata: [],
    parent: undefined,
    related: [],
    subject: 'sample',
    body: '',
    timestamp: 1_700_000_000n,
    tree: checksumOf(tree),
    meta: checksumOf(meta),
    ...changes,
  });
  return {
    commit: checksumOf(commit),
    objects: [
      ...files.map(({ file }) => file),
      sampleMetadata('dirmeta', meta),
      sampleMetadata('dirtree', tree),
      sampleMetadata('commit', commit),
    ],
  };
}
