import type { ManifestRow } from '../../storage/catalog/repository-catalog.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import type { Exchange } from '../http/exchange.ts';
import { readDigest, readRepo } from './names.ts';
import type { RegistryOptions } from './options.ts';
import { sendJson } from './respond.ts';

/** A client may refuse a manifest of more than 4 MiB: a longer list goes out in pages. */
const PAGE_BYTES = 4_000_000;

/** What refers to a manifest (OCI distribution 1.1, "Listing Referrers"); never 404. */
export class ReferrerResource {
  readonly #registry: RegistryOptions;

  constructor(registry: RegistryOptions) {
    this.#registry = registry;
  }

  async list(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const subject = readDigest(reference);
    // A bare "+" in a query means a space, which no media type has.
    const artifactType = x.query.get('artifactType')?.replaceAll(' ', '+') ?? '';
    const filter = artifactType === '' ? undefined : artifactType;
    const rows = await this.#registry.catalog.repositories.referrers(repo, subject, filter);
    const { page, next } = cut(rows, x.query.get('last'));
    const headers: Record<string, string> = { 'Content-Type': MEDIA_TYPES.ociIndex };
    if (filter !== undefined) headers['OCI-Filters-Applied'] = 'artifactType';
    if (next !== undefined) {
      const query = new URLSearchParams({ ...(filter && { artifactType: filter }), last: next });
      headers['Link'] = `</v2/${repo}/referrers/${subject}?${query.toString()}>; rel="next"`;
    }
    sendJson(
      x.res,
      200,
      { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: page },
      headers,
    );
  }
}

/** Descriptors after `last` that fit into one answer, and where the next answer goes on. */
function cut(
  rows: readonly ManifestRow[],
  last: string | null,
): { readonly page: readonly object[]; readonly next: string | undefined } {
  // A `last` that was deleted meanwhile is not found, and the list begins anew: twice beats never.
  const start = rows.findIndex(({ digest }) => digest === last) + 1;
  const page: object[] = [];
  let bytes = 0;
  for (const [index, row] of rows.slice(start).entries()) {
    const descriptor = toDescriptor(row);
    bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
    if (bytes > PAGE_BYTES && index > 0) return { page, next: rows[start + index - 1]?.digest };
    page.push(descriptor);
  }
  return { page, next: undefined };
}

function toDescriptor(row: ManifestRow): object {
  const { mediaType, digest, size, artifactType, annotations } = row;
  return { mediaType, digest, size, artifactType, annotations };
}
