import type { Exchange } from '../http/exchange.ts';
import { sendComposite } from '../http/send-composite.ts';
import { sendStored } from '../http/send-stored.ts';
import { OciError } from './errors.ts';
import { readDigest, readRepo } from './names.ts';
import type { RegistryOptions } from './options.ts';
import { sendEmpty } from './respond.ts';

/** Blobs of a repository (OCI distribution 1.1, "Pulling blobs", "Deleting Blobs"). */
export class BlobResource {
  readonly #registry: RegistryOptions;

  constructor(registry: RegistryOptions) {
    this.#registry = registry;
  }

  /** GET and HEAD. A blob that only another repository has is unknown here. */
  async get(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const digest = readDigest(reference);
    const { blobs, catalog, composites } = this.#registry;
    const size = await catalog.repositories.blobSize(repo, digest);
    if (size !== undefined && (await sendStored(x, blobs, { digest, size }))) return;
    if (composites !== undefined && (await catalog.zstdChunked.mayServe(repo, digest))) {
      if (await sendComposite(x, { catalog, composites }, { digest })) return;
    }
    throw new OciError('BLOB_UNKNOWN', `${repo} has no blob ${digest}`, { detail: { digest } });
  }

  /** The bytes stay until nothing names them (garbage collection). */
  async delete(x: Exchange, name: string, reference: string): Promise<void> {
    const repo = readRepo(name);
    const digest = readDigest(reference);
    if (!(await this.#registry.catalog.repositories.unlinkBlob(repo, digest))) {
      throw new OciError('BLOB_UNKNOWN', `${repo} has no blob ${digest}`, { detail: { digest } });
    }
    sendEmpty(x.res, 202);
  }
}
