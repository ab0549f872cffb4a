import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { ImageForm } from '../../storage/catalog/zstd-chunked-catalog.ts';
import { parseTag, type RepoName } from '../../storage/names.ts';
import type { Reference } from './names.ts';

/** Behind a tag: the zstd:chunked form of what the tag is at. A tag of that very name goes before. */
const SUFFIX = '.zstd-chunked';

/** The manifest of a form: by its own digest, or by the tag of what it is a form of and {@link SUFFIX}. */
export async function findForm(
  { repositories, zstdChunked }: Pick<Catalog, 'repositories' | 'zstdChunked'>,
  repo: RepoName,
  reference: Reference,
): Promise<ImageForm['manifest']> {
  if (reference.kind === 'digest') {
    return (await zstdChunked.published(repo, reference.digest))?.manifest;
  }
  const { tag } = reference;
  if (!tag.endsWith(SUFFIX) || tag.length === SUFFIX.length) return undefined;
  const source = await repositories.resolveTag(repo, parseTag(tag.slice(0, -SUFFIX.length)));
  return source === undefined ? undefined : (await zstdChunked.image(repo, source))?.manifest;
}
