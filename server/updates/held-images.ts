import type { RepositoryCatalog } from '../../storage/catalog/repository-catalog.ts';
import type { Digest } from '../../storage/digest.ts';
import type { RepoName } from '../../storage/names.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import { notPushed, type BrokenImage, type ImageReader, type ImageSet } from './images.ts';

/** Where images are read, and who says what a repository has. */
export interface HeldImagesSource {
  readonly images: ImageReader;
  readonly repositories: Pick<RepositoryCatalog, 'incomplete' | 'getManifest'>;
}

/**
 * The images under a digest that the repository holds whole; one that lacks its manifest or a layer is
 * absent, also when another repository has the bytes: to name them is no proof of having them.
 */
export async function readHeldImages(
  { images, repositories }: HeldImagesSource,
  repo: RepoName,
  digest: Digest,
  options: IoOptions = {},
): Promise<ImageSet> {
  const set = await images.read(digest, options);
  const found = set.images.map(({ manifest }) => manifest.digest);
  const lacking = await repositories.incomplete(repo, found);
  if (lacking.size + set.absent.length === 0) return set;
  const broken = [...set.broken];
  const absent: BrokenImage[] = [];
  for (const image of set.absent) {
    // A row without bytes is damage: what depended on them waits until they are mended.
    const known = (await repositories.getManifest(repo, image.digest)) !== undefined;
    (known ? broken : absent).push(image);
  }
  for (const image of lacking) {
    absent.push({ digest: image, error: notPushed(image, `${repo}@${digest}`) });
  }
  return {
    images: set.images.filter(({ manifest }) => !lacking.has(manifest.digest)),
    broken,
    absent,
  };
}
