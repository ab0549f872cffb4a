import { readBlob, type BlobStore } from '../../../storage/blob-store.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import type { Lease } from '../../../storage/catalog/layer-catalog.ts';
import type { ImageForm, LayerFormRow } from '../../../storage/catalog/zstd-chunked-catalog.ts';
import { MAX_INDEX_BYTES, parseChunkIndex } from '../../../storage/chunk/chunk-index.ts';
import type { Clock } from '../../../storage/clock.ts';
import { isIndexType } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { isStorageError, StorageError } from '../../../storage/errors.ts';
import { DeltaError } from '../../errors.ts';
import { documentType, looksLikeIndex, MAX_DOCUMENT_BYTES } from '../../image-documents.ts';
import { listImages, readImage } from '../../image.ts';
import { endBuild, giveUpWorn, type BuildRow, type JobOutcome } from '../../job.ts';
import { RowLease } from '../../row-lease.ts';
import { withScratch } from '../../scratch.ts';
import { formIndex, formManifest, type FormedChild, type FormManifest } from './form-manifests.ts';
import { makeLayerForm } from './layer-form.ts';

/** What a job that makes an image's form needs. */
export interface FormWorkDeps {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'layers' | 'zstdChunked'>;
  readonly scratch: string;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export interface FormClaim {
  readonly image: ImageForm;
  readonly lease: Lease;
}

/** A layer that is being chunked, or an image of an index, is waited for so long at a time. */
const WAIT_MS = 2000;

/** What a form needs first is not there yet: no fault, and no attempt. */
class NotYet extends Error {}

/**
 * Makes the zstd:chunked form of one claimed manifest or index and publishes it. What can't have a form is
 * refused for good; where layers are not chunked yet the row is due again a little later.
 */
export async function runFormJob(deps: FormWorkDeps, claim: FormClaim): Promise<JobOutcome> {
  const { zstdChunked } = deps.catalog;
  const { image, lease } = claim;
  const row: BuildRow = {
    attempts: image.attempts,
    fail: (reason, retryAtMs) => zstdChunked.fail(image, lease, reason, retryAtMs),
  };
  const worn = await giveUpWorn(deps, row);
  if (worn !== undefined) return worn;
  const held = new RowLease(deps, () => zstdChunked.renew(image, lease, deps.leaseMs));
  try {
    const { mediaType, bytes } = await held.hold((signal) =>
      withScratch(deps.scratch, 'zstd-chunked-', (scratch) =>
        makeForm({ ...deps, scratch, signal }, image),
      ),
    );
    const digest = digestOf(bytes);
    const { created } = await deps.blobs.put(digest, [bytes], { size: bytes.length });
    const size = bytes.length;
    await zstdChunked.publish(image, lease, { digest, size, created, mediaType });
    return { kind: 'published', size, fullSize: size };
  } catch (error) {
    if (!(error instanceof NotYet)) return endBuild(deps, row, held, error);
    const retryAtMs = deps.clock() + WAIT_MS;
    return wait(deps, claim, error.message, retryAtMs);
  }
}

async function wait(
  { catalog }: FormWorkDeps,
  { image, lease }: FormClaim,
  reason: string,
  retryAtMs: number,
): Promise<JobOutcome> {
  try {
    await catalog.zstdChunked.postpone(image, lease, reason, retryAtMs);
  } catch (error) {
    if (isStorageError(error, 'conflict')) return { kind: 'lost' };
    throw error;
  }
  return { kind: 'failed', reason, retryAtMs };
}

async function makeForm(deps: FormWorkDeps, { repo, source }: ImageForm): Promise<FormManifest> {
  const { blobs, signal } = deps;
  const bytes = await readBlob(blobs, source, { maxBytes: MAX_DOCUMENT_BYTES, signal });
  const what = `the manifest ${source}`;
  const type = documentType(bytes, what);
  if (type === undefined ? looksLikeIndex(bytes, what) : isIndexType(type)) {
    const children: FormedChild[] = [];
    for (const { manifest } of await listImages(blobs, source, {
      signal,
      onAbsent: () => undefined,
    })) {
      const form = await deps.catalog.zstdChunked.image(repo, manifest.digest);
      if (form?.state === 'pending' || form?.state === 'building') {
        throw new NotYet(`waits for the form of ${manifest.digest}`);
      }
      children.push({ pushed: manifest, form: form?.manifest });
    }
    return formIndex(bytes, children);
  }
  const image = await readImage(blobs, source, { signal });
  const forms: LayerFormRow[] = [];
  for (const { descriptor, diffId } of image.layers) {
    forms.push(await layerForm(deps, descriptor.digest, diffId));
  }
  return formManifest(image, forms);
}

/** The layer's form, made if it has none. */
async function layerForm(deps: FormWorkDeps, layer: Digest, diffId: Digest): Promise<LayerFormRow> {
  const { blobs, catalog, scratch, signal } = deps;
  const row = await catalog.layers.get(layer);
  if (row?.state === 'opaque') {
    throw new DeltaError(
      'refused',
      `no zstd:chunked form: layer ${layer} is no tar: ${row.reason ?? ''}`,
    );
  }
  if (row?.index === undefined) throw new NotYet(`waits for layer ${layer} to be chunked`);
  if (row.diffId !== diffId) {
    throw new DeltaError('refused', `no zstd:chunked form: layer ${layer} does not hold ${diffId}`);
  }
  const known = await catalog.zstdChunked.layerForm(layer);
  if (known !== undefined) return known;
  const bytes = await readBlob(blobs, row.index.digest, { maxBytes: MAX_INDEX_BYTES, signal });
  const form = await makeLayerForm({ blobs, index: parseChunkIndex(bytes), scratch, signal });
  const made: LayerFormRow = { layer, index: row.index.digest, ...form };
  try {
    await catalog.zstdChunked.putLayerForm(made);
  } catch (error) {
    if (!isStorageError(error, 'conflict')) throw error;
    // Not a lost lease, which that code means to the job.
    throw new StorageError('unavailable', String(error), { cause: error });
  }
  return made;
}
