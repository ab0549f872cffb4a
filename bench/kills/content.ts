import { gzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';

import { checksumOf, type Checksum } from '../../delta/ostree/objects/checksum.ts';
import { formatCommit } from '../../delta/ostree/objects/commit.ts';
import { formatDirmeta } from '../../delta/ostree/objects/dirmeta.ts';
import { formatDirtree } from '../../delta/ostree/objects/dirtree.ts';
import { fileChecksum } from '../../delta/ostree/objects/file-checksum.ts';
import { writeFilez } from '../../delta/ostree/objects/filez-write.ts';
import { MEDIA_TYPES, type Descriptor } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { writeTar } from '../demo/tar-writer.ts';
import { seededBytes } from './random.ts';

export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An image as it is pushed. */
export interface MadeImage {
  readonly blobs: readonly { readonly digest: Digest; readonly bytes: Buffer }[];
  readonly manifest: Buffer;
  readonly digest: Digest;
}

/** A base that all images share, and a program of which a few bytes change from image to image. */
export function makeImage(seed: string, number: number): MadeImage {
  const base = writeTar([{ path: 'etc/base', mode: 0o644, bytes: seededBytes('base', 20_000) }]);
  const program = Buffer.from(seededBytes('program', 40_000));
  seededBytes(`${seed} ${number}`, 600).copy(program, 20_000);
  const app = writeTar([{ path: 'bin/app', mode: 0o755, bytes: program }]);
  const tars = [base, app];
  const layers = tars.map((tar) => gzipSync(tar, { level: 1 }));
  const config = Buffer.from(
    JSON.stringify({
      ...{ os: 'linux', architecture: 'amd64', config: { Labels: { number: String(number) } } },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
    }),
  );
  const describe = (mediaType: string, bytes: Buffer): Descriptor => ({
    ...{ mediaType, digest: digestOf(bytes), size: bytes.length },
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: describe(MEDIA_TYPES.ociConfig, config),
      layers: layers.map((layer) => describe(MEDIA_TYPES.ociLayerGzip, layer)),
    }),
  );
  const blobs = [...layers, config].map((bytes) => ({ digest: digestOf(bytes), bytes }));
  return { blobs, manifest, digest: digestOf(manifest) };
}

/** A commit and the objects that a push of it sends. */
export interface MadeCommit {
  readonly commit: Checksum;
  readonly objects: readonly NamedBytes[];
  /** The metadata objects among them: served as they were sent. */
  readonly metadata: readonly NamedBytes[];
}

const FILE = { uid: 0, gid: 0, mode: 0o100_644, target: '', xattrs: [] };

/** A file that all commits share, and one of which a few bytes change, and the size. */
export async function makeCommit(seed: string, number: number): Promise<MadeCommit> {
  const changing = seededBytes('changing', 30_000 + (number % 7) * 10_000);
  seededBytes(`${seed} file ${number}`, 600).copy(changing, 20_000);
  const contents = [seededBytes('shared', 50_000), changing];
  const files = await Promise.all(
    contents.map(async (content) => {
      const checksum = await fileChecksum(FILE, [content]);
      const bytes = await buffer(writeFilez({ header: FILE, size: content.length }, [content]));
      return { checksum, name: `${checksum}.filez`, bytes };
    }),
  );
  const meta = formatDirmeta({ uid: 0, gid: 0, mode: 0o040_755, xattrs: [] });
  const tree = formatDirtree({
    files: files.map(({ checksum }, n) => ({ name: `file-${n}`, checksum })),
    directories: [],
  });
  const commit = formatCommit({
    ...{ metadata: [], parent: undefined, related: [], body: '' },
    ...{ subject: `commit ${number}`, timestamp: BigInt(1_700_000_000 + number) },
    ...{ tree: checksumOf(tree), meta: checksumOf(meta) },
  });
  const metadata = [
    { name: `${checksumOf(meta)}.dirmeta`, bytes: meta },
    { name: `${checksumOf(tree)}.dirtree`, bytes: tree },
    { name: `${checksumOf(commit)}.commit`, bytes: commit },
  ];
  return { commit: checksumOf(commit), objects: [...files, ...metadata], metadata };
}
