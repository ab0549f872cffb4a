import type { ManifestRow } from '../../storage/catalog/repository-catalog.ts';
import { digestAlgorithm, digestOf, type Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import { readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { IMMUTABLE } from '../http/send-blob.ts';
import { sendStored } from '../http/send-stored.ts';
import { OciError } from './errors.ts';
import { findForm } from './form-names.ts';
import { readManifestDocument, type ManifestDocument } from './manifest-document.ts';
import { checkNames } from './manifest-names.ts';
import type { ManifestSchemas } from './manifest-schema.ts';
import { readReference, readRepo, readTag, type Reference } from './names.ts';
import type { RegistryOptions } from './options.ts';
import { sendEmpty } from './respond.ts';
import { storeManifest } from './store-manifest.ts';

/** The least that the specification asks a registry to accept, and the most that clients read. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Tags in one push by digest. */
const MAX_TAGS = 100;
/** Absent children that an answer or a log line names. */
const MAX_ABSENT_TOLD = 3;

/** Manifests by tag or digest (OCI distribution 1.1, "Pulling manifests", "Pushing Manifests"). */
export class ManifestResource {
  readonly #registry: RegistryOptions;
  readonly #schemas: ManifestSchemas;

  constructor(registry: RegistryOptions, schemas: ManifestSchemas) {
    this.#registry = registry;
    this.#schemas = schemas;
  }

  /** GET and HEAD: the bytes as pushed. What is no tag names no manifest. */
  async get(x: Exchange, name: string, text: string): Promise<void> {
    const repo = readRepo(name);
    const reference = readReference(text, 'MANIFEST_UNKNOWN');
    const { blobs, catalog } = this.#registry;
    const digest =
      reference.kind === 'digest'
        ? reference.digest
        : await catalog.repositories.resolveTag(repo, reference.tag);
    const row =
      digest === undefined ? undefined : await catalog.repositories.getManifest(repo, digest);
    const found = row ?? (await findForm(catalog, repo, reference));
    if (found === undefined) throw unknown(repo, text);
    const cacheControl = reference.kind === 'digest' ? IMMUTABLE : 'no-cache';
    const { size, mediaType } = found;
    const head = { digest: found.digest, size, mediaType, cacheControl };
    if (!(await sendStored(x, blobs, head))) throw unknown(repo, text);
  }

  async put(x: Exchange, name: string, text: string): Promise<void> {
    const repo = readRepo(name);
    const reference = readReference(text, 'MANIFEST_INVALID');
    const tags = readTags(x, reference);
    const bytes = await readBody(x.req, MAX_MANIFEST_BYTES, tooLarge);
    const digest = digestFor(reference, bytes);
    const document = readManifestDocument(bytes, x.req.headers['content-type'], this.#schemas);
    const absent = await this.#store(x, repo, tags, bytes, digest, document);
    sendEmpty(x.res, 201, {
      Location: `/v2/${repo}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      ...(document.subject !== undefined && { 'OCI-Subject': document.subject }),
      ...(reference.kind === 'digest' && tags.length > 0 && { 'OCI-Tag': tags.join(', ') }),
      ...(absent.length > 0 && { Warning: sparseWarning(absent) }),
    });
  }

  /** A tag goes alone; a manifest takes its tags with it. */
  async delete(x: Exchange, name: string, text: string): Promise<void> {
    const repo = readRepo(name);
    const reference = readReference(text, 'MANIFEST_UNKNOWN');
    const { repositories } = this.#registry.catalog;
    const deleted =
      reference.kind === 'tag'
        ? await repositories.deleteTag(repo, reference.tag)
        : await repositories.deleteManifest(repo, reference.digest);
    if (!deleted) throw unknown(repo, text);
    sendEmpty(x.res, 202);
  }

  /** Bytes, then the rows that make it visible; returns what it names and the repository lacks. */
  async #store(
    x: Exchange,
    repo: RepoName,
    tags: readonly Tag[],
    bytes: Buffer,
    digest: Digest,
    document: ManifestDocument,
  ): Promise<readonly Digest[]> {
    const { names, ...facts } = document;
    const { signal } = x;
    const { children, absent } = await checkNames(this.#registry, repo, names, { signal });
    const row: ManifestRow = { digest, size: bytes.length, ...facts };
    for (const tag of tags.length === 0 ? [undefined] : tags) {
      await storeManifest(this.#registry, repo, { bytes, row, children }, tag, { signal });
      await this.#tell(repo, digest, tag);
    }
    if (absent.length > 0) {
      const some = absent.slice(0, MAX_ABSENT_TOLD);
      this.#registry.logger.warn(
        { repo, digest, absent: some, count: absent.length },
        'a sparse manifest',
      );
    }
    return absent;
  }

  /** The manifest is pushed already: what comes of it is made up for later when it fails now. */
  async #tell(repo: RepoName, digest: Digest, tag: Tag | undefined): Promise<void> {
    const { logger, onManifest } = this.#registry;
    try {
      await onManifest?.(repo, digest, tag);
    } catch (error) {
      logger.error({ err: error, repo, digest, tag }, 'the matrix was not told of a push');
    }
  }
}

function tooLarge(): OciError {
  const message = `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`;
  return new OciError('SIZE_INVALID', message, { status: 413 });
}

/** The tag of the path, or the `tag` parameters of a push by digest. */
function readTags(x: Exchange, reference: Reference): readonly Tag[] {
  if (reference.kind === 'tag') return [reference.tag];
  const tags = new Set(x.query.getAll('tag').map((text) => readTag(text, 'MANIFEST_INVALID')));
  if (tags.size > MAX_TAGS) {
    throw new OciError('UNSUPPORTED', `more than ${MAX_TAGS} tags at once`, { status: 414 });
  }
  return [...tags];
}

/** What the bytes are called; DIGEST_INVALID when the path says otherwise. */
function digestFor(reference: Reference, bytes: Buffer): Digest {
  if (reference.kind === 'tag') return digestOf(bytes);
  const actual = digestOf(bytes, digestAlgorithm(reference.digest));
  if (actual !== reference.digest) {
    throw new OciError('DIGEST_INVALID', `the manifest is ${actual}, not ${reference.digest}`, {
      detail: { expected: reference.digest, actual },
    });
  }
  return actual;
}

/** OCI distribution 1.1, "Warnings": for the one who pushes, since only later pulls would notice. */
function sparseWarning(absent: readonly Digest[]): string {
  const some = absent.slice(0, MAX_ABSENT_TOLD).join(' ');
  const more =
    absent.length > MAX_ABSENT_TOLD ? ` and ${absent.length - MAX_ABSENT_TOLD} more` : '';
  return `299 - "taken, but this repository lacks what it names until you push it: ${some}${more}"`;
}

function unknown(repo: RepoName, reference: string): OciError {
  return new OciError('MANIFEST_UNKNOWN', `${repo} has no manifest ${reference.slice(0, 200)}`);
}
