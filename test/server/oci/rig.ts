import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { UploadService } from '../../../storage/upload/service.ts';
import type { RegistryOptions } from '../../../server/oci/options.ts';
import { createRegistry } from '../../../server/oci/registry.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { openStore, serve, type OpenedStore, type StoreKind } from '../http/rig.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface RunningRegistry {
  readonly url: string;
  readonly store: OpenedStore;
  readonly catalog: Catalog;
  /** What `onManifest` was told. */
  readonly told: readonly (readonly [string, string, string | undefined])[];
  readonly close: () => Promise<void>;
}

/** A registry over a real port, a fresh store and a fresh catalog. */
export async function startRegistry(
  kind: StoreKind = 'fs',
  changes: Partial<RegistryOptions> = {},
): Promise<RunningRegistry> {
  const store = await openStore(kind);
  const catalog = await openSqliteCatalog(':memory:', Date.now);
  const told: [string, string, string | undefined][] = [];
  const uploads = new UploadService({ objects: store.blobs.objects, catalog, clock: Date.now });
  const registry = createRegistry({
    blobs: store.blobs,
    catalog,
    uploads,
    clock: Date.now,
    logger: createLogger('silent'),
    onManifest: (...args) => {
      told.push(args);
      return Promise.resolve();
    },
    ...changes,
  });
  const server = await serve({ routes: [registry] });
  return {
    url: server.url,
    store,
    catalog,
    told,
    close: async () => {
      await server.close();
      await catalog.close();
      await store.remove();
    },
  };
}

/** A client of one repository; every path is below `/v2/<name>/`. */
export class Client {
  readonly base: string;
  readonly #url: string;

  constructor(url: string, name: string) {
    this.#url = url;
    this.base = `/v2/${name}`;
  }

  /** `path` is taken from the repository, or from the root when it starts with a slash. */
  send(method: string, path: string, body?: Buffer | string, headers: Record<string, string> = {}) {
    const full = path.startsWith('/') ? path : `${this.base}/${path}`;
    return fetch(this.#url + full, { method, headers, ...(body !== undefined && { body }) });
  }

  get(path: string, headers: Record<string, string> = {}) {
    return this.send('GET', path, undefined, headers);
  }

  /** Opens an upload session and returns its location. */
  async startUpload(): Promise<string> {
    const response = await this.send('POST', 'blobs/uploads/');
    if (response.status !== 202) throw new Error(`POST: ${response.status}`);
    return locationOf(response);
  }

  async pushBlob(bytes: Buffer, digest: Digest = digestOf(bytes)): Promise<Digest> {
    const response = await this.send('POST', `blobs/uploads/?digest=${digest}`, bytes);
    if (response.status !== 201) throw new Error(`POST: ${response.status}`);
    return digest;
  }

  putManifest(reference: string, body: object | Buffer | string, mediaType = OCI_MANIFEST) {
    const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return this.send('PUT', `manifests/${reference}`, bytes, { 'content-type': mediaType });
  }

  /** Pushes a config and a layer and returns an image manifest over them. */
  async makeImage(seed = 'image', more: object = {}): Promise<object> {
    const config = Buffer.from(JSON.stringify({ seed, rootfs: { type: 'layers', diff_ids: [] } }));
    const layer = Buffer.from(`layer of ${seed}`);
    return {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describeBlob(OCI_CONFIG, config, await this.pushBlob(config)),
      layers: [describeBlob(OCI_LAYER, layer, await this.pushBlob(layer))],
      ...more,
    };
  }
}

export function describeBlob(mediaType: string, bytes: Buffer | string, digest?: Digest) {
  const buffer = Buffer.from(bytes);
  return { mediaType, digest: digest ?? digestOf(buffer), size: buffer.length };
}

export function locationOf(response: Response): string {
  const location = response.headers.get('location');
  if (location === null) throw new Error('no Location');
  return location;
}

/** Status and the first error code of an answer, as `404 BLOB_UNKNOWN`. */
export async function refusal(response: Response): Promise<string> {
  const body = (await response.json()) as { errors: { code: string }[] };
  return `${response.status} ${String(body.errors[0]?.code)}`;
}
