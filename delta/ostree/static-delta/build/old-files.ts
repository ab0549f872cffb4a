import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
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

/** The files of the from-commit as sources of new ones. Reads the old tree only when it has to. */
export class OldFiles {
  readonly #files: readonly FileObject[];
  readonly #source: ObjectSource;
  readonly #options: IoOptions;
  readonly #names: NameIndex;
  readonly #bySize: ReadonlyMap<number, readonly FileObject[]>;
  readonly #digests = new Map<FileObject, string | undefined>();
  #similar: Promise<SimilarityIndex<FileObject>> | undefined;

  constructor(files: readonly FileObject[], source: ObjectSource, options: IoOptions) {
    this.#files = inFileOrder(files.filter(({ size }) => size > 0));
    this.#source = source;
    this.#options = options;
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

  /** An old file with the very same content, which differs in owner, mode or xattrs only. */
  async sameContent(file: FileObject, content: RandomAccess): Promise<FileObject | undefined> {
    const candidates = this.#bySize.get(file.size) ?? [];
    if (candidates.length === 0) return undefined;
    const digest = await contentDigest(content, this.#options);
    for (const candidate of candidates) {
      if ((await this.#digestOf(candidate)) === digest) return candidate;
    }
    return undefined;
  }

  /** Old files with content in common, best first. The first call reads the whole old tree. */
  async alike(samples: ContentSamples, limit: number): Promise<readonly Alike<FileObject>[]> {
    this.#similar ??= this.#sampleAll();
    return (await this.#similar).alike(samples, limit);
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

  async #sampleAll(): Promise<SimilarityIndex<FileObject>> {
    const sampled: { readonly file: FileObject; readonly samples: ContentSamples }[] = [];
    for (const file of this.#files) {
      if (file.size < LEAST_SAMPLED_BYTES) continue;
      const samples = await this.withContent(file, (content) =>
        sampleContent(content, this.#options),
      );
      if (samples !== undefined) sampled.push({ file, samples });
    }
    return new SimilarityIndex(sampled);
  }
}
