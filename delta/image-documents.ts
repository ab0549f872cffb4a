import { formatPlatform, type Descriptor, type Platform } from '../storage/descriptor.ts';
import { isDigest, type Digest } from '../storage/digest.ts';
import { DeltaError } from './errors.ts';

/** Manifests, indexes and configs are read whole: the distribution specification's own bound. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_LAYERS = 1024;

export interface ManifestDocument {
  readonly mediaType?: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ConfigDocument {
  readonly platform: string;
  readonly diffIds: readonly Digest[];
}

/** An image manifest (OCI image specification 1.1, or Docker's schema 2). Throws `corrupt`, listing all faults. */
export function parseManifest(bytes: Buffer, what: string): ManifestDocument {
  const check = new Check(what);
  const json = check.object(parseJson(bytes, what), 'the document');
  const layers = check.array(json['layers'], 'layers');
  const document = {
    mediaType: typeof json['mediaType'] === 'string' ? json['mediaType'] : undefined,
    config: check.descriptor(json['config'], 'config'),
    layers: layers.map((layer, n) => check.descriptor(layer, `layers[${n}]`)),
  };
  if (layers.length > MAX_LAYERS) check.fault(`layers holds more than ${MAX_LAYERS}`);
  check.done();
  return document;
}

/** An image config's platform and diff_ids. Throws `corrupt`, listing all faults. */
export function parseConfig(bytes: Buffer, what: string): ConfigDocument {
  const check = new Check(what);
  const json = check.object(parseJson(bytes, what), 'the document');
  const rootfs = check.object(json['rootfs'], 'rootfs');
  const diffIds = check.array(rootfs['diff_ids'], 'rootfs.diff_ids');
  const document = {
    platform: formatPlatform(check.platform(json, 'the document')),
    diffIds: diffIds.map((id, n) => check.digest(id, `rootfs.diff_ids[${n}]`)),
  };
  check.done();
  return document;
}

/** An index's children in order. Throws `corrupt`, listing all faults. */
export function parseIndex(bytes: Buffer, what: string): readonly Descriptor[] {
  const check = new Check(what);
  const json = check.object(parseJson(bytes, what), 'the document');
  const children = check.array(json['manifests'], 'manifests');
  const descriptors = children.map((child, n) => check.descriptor(child, `manifests[${n}]`));
  check.done();
  return descriptors;
}

/** What a document says it is; undefined when it does not say. */
export function documentType(bytes: Buffer, what: string): string | undefined {
  const json = new Check(what).object(parseJson(bytes, what), 'the document');
  if (typeof json['mediaType'] === 'string') return json['mediaType'];
  return undefined;
}

/** True if the document has an index's shape; for documents that do not say what they are. */
export function looksLikeIndex(bytes: Buffer, what: string): boolean {
  const json = new Check(what).object(parseJson(bytes, what), 'the document');
  return Array.isArray(json['manifests']);
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (cause) {
    throw new DeltaError('corrupt', `${what} is not JSON: ${String(cause)}`, { cause });
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Collects faults; `done` throws them all at once. What has a fault gets a stand-in until then. */
class Check {
  readonly #what: string;
  readonly #faults: string[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  fault(text: string): void {
    if (this.#faults.length < 20) this.#faults.push(text);
  }

  done(): void {
    if (this.#faults.length === 0) return;
    throw new DeltaError('corrupt', `${this.#what}: ${this.#faults.join('; ')}`, {
      detail: { faults: this.#faults },
    });
  }

  object(value: unknown, where: string): JsonObject {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as JsonObject;
    }
    this.fault(`${where} is no object`);
    return {};
  }

  array(value: unknown, where: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.fault(`${where} is no array`);
    return [];
  }

  string(value: unknown, where: string): string {
    if (typeof value === 'string' && value.length <= 1024) return value;
    this.fault(`${where} is no string`);
    return '';
  }

  digest(value: unknown, where: string): Digest {
    const text = this.string(value, where);
    if (isDigest(text)) return text;
    this.fault(`${where} is no sha256 or sha512 digest`);
    return text as Digest;
  }

  size(value: unknown, where: string): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    this.fault(`${where} is no size`);
    return 0;
  }

  platform(json: JsonObject, where: string): Platform {
    const variant = json['variant'];
    return {
      os: this.string(json['os'], `${where}.os`),
      architecture: this.string(json['architecture'], `${where}.architecture`),
      variant: variant === undefined ? undefined : this.string(variant, `${where}.variant`),
    };
  }

  descriptor(value: unknown, where: string): Descriptor {
    const json = this.object(value, where);
    const platform = json['platform'];
    return {
      mediaType: this.string(json['mediaType'], `${where}.mediaType`),
      digest: this.digest(json['digest'], `${where}.digest`),
      size: this.size(json['size'], `${where}.size`),
      annotations: this.annotations(json['annotations'], `${where}.annotations`),
      platform:
        platform === undefined
          ? undefined
          : this.platform(this.object(platform, `${where}.platform`), `${where}.platform`),
    };
  }

  annotations(value: unknown, where: string): Readonly<Record<string, string>> | undefined {
    if (value === undefined || value === null) return undefined;
    const entries = Object.entries(this.object(value, where));
    return Object.fromEntries(
      entries.map(([key, text]) => [key, typeof text === 'string' ? text : '']),
    );
  }
}
