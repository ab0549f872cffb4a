import { formatCommit } from '../../../delta/ostree/objects/commit.ts';
import { checksumOf, parseChecksum } from '../../../delta/ostree/objects/checksum.ts';
import { metadataObject } from '../../../delta/ostree/objects/stored-object.ts';
import { tarObjects } from '../../../delta/ostree/from-tar/tar-objects.ts';
import type { RepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import type { OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { bodySource } from '../../http/body.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { moveRef } from './move-ref.ts';
import { readRootfsQuery, type RootfsQuery } from './rootfs-query.ts';

/**
 * `POST push/rootfs`: makes a commit of the tar in the body and moves the ref to it. The commit names
 * its ref (`ostree.ref-binding`) and has the commit that the ref was at as its parent.
 */
export async function pushRootfs(
  x: Exchange,
  options: OstreeOptions,
  repo: RepoName,
): Promise<void> {
  const query = readRootfsQuery(x.query, options.clock());
  const { ref, expected } = query;
  const parent = await options.catalog.ostree.resolveRef(repo, ref);
  if (expected !== 'any' && expected !== parent) {
    throw new HttpError('conflict', `${ref} is ${parent ?? 'not there'}: look at what it is now`, {
      detail: { actual: parent ?? null },
    });
  }
  const commit = await writeRootfs(x, options, repo, { ...query, parent });
  await moveRef(options, { repo, ref, commit, expected: parent }, { signal: x.signal });
  sendJson(x.res, 200, { ref, commit });
}

async function writeRootfs(
  x: Exchange,
  { blobs, catalog, scratch }: OstreeOptions,
  repo: RepoName,
  facts: RootfsQuery & { readonly parent: OstreeChecksum | undefined },
): Promise<OstreeChecksum> {
  let commit: OstreeChecksum | undefined;
  const objects = async function* (): AsyncGenerator<IncomingObject, void> {
    const root = yield* tarObjects(bodySource(x.req), { scratch });
    const bytes = formatCommit({
      metadata: [refBinding(facts.ref)],
      parent: facts.parent === undefined ? undefined : parseChecksum(facts.parent),
      related: [],
      subject: facts.subject,
      body: facts.body,
      timestamp: BigInt(facts.timestamp),
      ...root,
    });
    const checksum = checksumOf(bytes);
    commit = parseOstreeChecksum(checksum);
    yield metadataObject('commit', checksum, bytes);
  };
  await writeObjects(objects(), { blobs, catalog, repo, scratch, signal: x.signal });
  if (commit === undefined) throw new TypeError('a tar without a commit');
  return commit;
}

function refBinding(ref: OstreeRef) {
  return ['ostree.ref-binding', { type: 'as', value: [ref] }] as const;
}
