import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import type { Checksum } from '../../objects/checksum.ts';
import { isSymlink, type FileHeader } from '../../objects/file-header.ts';
import { contentDigest } from './content-keys.ts';
import { sampleContent, type ContentSamples } from './content-samples.ts';
import type { FileObject, ObjectSource } from './delta-objects.ts';
import { NameIndex } from './name-index.ts';
import { inFileOrder } from './object-order.ts';
import { SimilarityIndex, type Alike } from './similarity-index.ts';

/** Smaller files are neither sampled nor looked for by what they hold. */
export const LEAST_SAMPLED_BYTES = 2048;
/** Old files of one size that are read to find an equal one. */
const MAX_SAME_SIZE = 256;
/** Read permission for others. */
const S_IROTH = 4;

/** Only what any process may read on the client is safe to read there: its puller may not be root. */
export function canBeSource(header: FileHeader): boolean {
  return !isSymlink(header) && (header.mode & S_IROTH) !== 0;
}

/** Of an old file: the to-commit lacks it, or holds it too. */
export type OldFilesFate = 'gone' | 'kept';

export interface OldFilesOptions extends IoOptions {
  /** What the to-commit holds. */
  readonly kept: ReadonlySet<Checksum>;
}

/** The files of the from-commit as sources of new ones. Reads the old tree only when it has to. */
export class OldFiles {
  /** Of files that the to-commit holds too. */
  readonly keptBytes: number;
  readonly #files: readonly FileObject[];
  readonly #source: ObjectSource;
  readonly #options: OldFilesOptions;
  readonly #names: NameIndex;
  readonly #bySize: ReadonlyMap<number, readonly FileObject[]>;
  readonly #digests = new Map<FileObject, string | undefined>();
  readonly #similar = new Map<OldFilesFate, Promise<SimilarityIndex<FileObject>>>();

  constructor(files: readonly FileObject[], source: ObjectSource, options: OldFilesOptions) {
    this.#files = inFileOrder(files.filter(({ size }) => size > 0));
    this.#source = source;
    this.#options = options;
    this.keptBytes = this.#files.reduce(
      (sum, { checksum, size }) => sum + (options.kept.has(checksum) ? size : 0),
      0,
    );
    this.#names = new NameIndex(this.#files);
    const bySize = new Map<number, FileObject[]>();
    for (const file of this.#files) {
      const known = bySize.get(file.size);
      if (known === undefined) bySize.set(file.size, [file]);
      else if (known.length < MAX_SAME_SIZE) known.push(file);
    }
    this.#bySize = bySize;
  }

  /** Old files that are called alike, best first. */
  named(file: FileObject): readonly FileObject[] {
    return this.#names.sourcesOf(file);
  }

  /** An old file with the very same content, which differs in owner, mode or xattrs only; `others` are known to differ. */
  async sameContent(
    file: FileObject,
    content: RandomAccess,
    others: readonly FileObject[],
  ): Promise<FileObject | undefined> {
    const alike = this.#bySize.get(file.size) ?? [];
    const candidates = alike.filter((candidate) => !others.includes(candidate));
    if (candidates.length === 0) return undefined;
    const digest = await contentDigest(content, this.#options);
    for (const candidate of candidates) {
      if ((await this.#digestOf(candidate)) === digest) return candidate;
    }
    return undefined;
  }

  /** Old files with content in common, best first. The first call for a fate reads all files that have it. */
  async alike(
    samples: ContentSamples,
    { fate, limit }: { readonly fate: OldFilesFate; readonly limit: number },
  ): Promise<readonly Alike<FileObject>[]> {
    const index = this.#similar.get(fate) ?? this.#sampleAll(fate);
    this.#similar.set(fate, index);
    return (await index).alike(samples, limit);
  }

  /** Runs `work` with an old file's content; undefined for one that can't be a source. */
  async withContent<T>(
    file: FileObject,
    work: (content: RandomAccess) => Promise<T>,
  ): Promise<T | undefined> {
    const opened = await this.#source.openContent(file);
    try {
      return canBeSource(opened.header) ? await work(opened.content) : undefined;
    } finally {
      await opened.close?.();
    }
  }

  async #digestOf(file: FileObject): Promise<string | undefined> {
    if (!this.#digests.has(file)) {
      const digest = await this.withContent(file, (content) =>
        contentDigest(content, this.#options),
      );
      this.#digests.set(file, digest);
    }
    return this.#digests.get(file);
  }

  async #sampleAll(fate: OldFilesFate): Promise<SimilarityIndex<FileObject>> {
    const sampled: { readonly file: FileObject; readonly samples: ContentSamples }[] = [];
    for (const file of this.#files) {
      const isKept = this.#options.kept.has(file.checksum);
      if (file.size < LEAST_SAMPLED_BYTES || isKept !== (fate === 'kept')) continue;
      const samples = await this.withContent(file, (content) =>
        sampleContent(content, this.#options),
      );
      if (samples !== undefined) sampled.push({ file, samples });
    }
    return new SimilarityIndex(sampled);
  }
}
