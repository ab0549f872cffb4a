import { digestAlgorithm, digestHex, type Digest } from '../../../storage/digest.ts';
import { StorageError } from '../../../storage/errors.ts';
import type { ImageSource } from './image-source.ts';
import { selectRoot } from './oci-layout.ts';
import { streamOf, TarArchive } from './tar-archive.ts';

/** Opens a tar of an OCI image layout, as `skopeo copy ... oci-archive:` writes it. */
export async function openOciArchive(path: string, tag?: string): Promise<ImageSource> {
  const archive = await TarArchive.open(path);
  const memberOf = (digest: Digest) =>
    archive.member(`blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`);
  try {
    const root = selectRoot(await archive.document('index.json'), tag, path);
    return {
      root,
      blobs: {
        stat(digest) {
          const member = memberOf(digest);
          return Promise.resolve(
            member === undefined ? undefined : { size: member.size, modifiedMs: 0 },
          );
        },
        open(digest, { range } = {}) {
          const member = memberOf(digest);
          if (member === undefined) {
            throw new StorageError('missing', `${path} has no blob ${digest}`);
          }
          return Promise.resolve(streamOf(member, range?.start, range?.endExclusive));
        },
      },
      close: () => archive.close(),
    };
  } catch (error) {
    await archive.close();
    throw error;
  }
}
