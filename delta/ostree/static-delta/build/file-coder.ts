import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import type { Matcher } from '../segment.ts';
import type { Spool } from '../spool.ts';
import { sampleContent, type ContentSamples } from './content-samples.ts';
import { isEqual } from './content-keys.ts';
import { copyFile, type CopySource } from './copy-file.ts';
import { estimateBytes } from './cost.ts';
import type { FileObject } from './delta-objects.ts';
import type { FileCoding } from './file-coding.ts';
import { FilePair } from './file-pair.ts';
import { LEAST_SAMPLED_BYTES, type OldFiles } from './old-files.ts';
import { PATCHED_BYTES } from './match-limits.ts';
import type { PartFiles } from './part-files.ts';
import { patchFile, type PricedCoding } from './patch-file.ts';
import type { Alike } from './similarity-index.ts';

/** Smaller files travel whole: naming a source takes as much. */
const LEAST_CODED_BYTES = 96;
/** A coding that takes at most this part of what the whole file takes is not improved upon. */
const GOOD_SHARE = 0.25;
/** Sources called alike that are tried, and sources that hold alike bytes. */
const NAMED_TRIES = 2;
const ALIKE_TRIES = 2;
/** A source of the same name but this much smaller is something else. */
const LEAST_SIZE_FACTOR = 16;
/** Sources that hold alike bytes, as many as are asked for. */
const ALIKE_SOURCES = 8;
/** Bytes of the tree that are read for each byte that a source might save... */
const READ_FOR_BYTE = 2048;
/** ...of a file that takes at most this part of its size: what is compressed already resembles nothing. */
const COMPRESSIBLE_SHARE = 0.9;
/** So much more of the file than one of its name a source must hold to be tried after that. */
const CLEARLY_MORE = 1.25;
/** Sources whose bytes are looked for in one file together, and what all but the first must hold. */
const COPY_SOURCES = 4;
const LEAST_REST_SHARE = 0.1;

/** Where a file's bytes come from; for statistics. */
export type CodingReason =
  /** Too small to name a source for. */
  | 'tiny'
  /** An old file has the same content; owner, mode or xattrs differ. */
  | 'same-content'
  /** An old file of that path or name. */
  | 'named'
  /** An old file with content in common. */
  | 'alike'
  /** Several old files, piece by piece. */
  | 'several-sources'
  /** A file of the same part, made earlier: like it, or with the very same bytes. */
  | 'same-part'
  /** No source saves anything. */
  | 'no-source'
  /** The loose object is as small. */
  | 'incompressible'
  /** Clients would refuse the part. */
  | 'too-large';

export interface CodedFile {
  readonly coding: FileCoding;
  readonly reason: CodingReason;
  /** About how many bytes it takes when compressed. */
  readonly cost: number;
  /** Of its content, where they were taken. */
  readonly samples?: ContentSamples | undefined;
}

export interface FileCoderOptions extends IoOptions {
  readonly matcher: Matcher;
  /** Old and new bytes that are matched in memory at once. */
  readonly pairBytes: number;
  /** Takes streams that are too large for memory; they are valid until it is rewound. */
  readonly spool: Spool;
}

/** Decides how a part makes a regular file: by what the candidates would cost. */
export class FileCoder {
  readonly #old: OldFiles;
  readonly #options: FileCoderOptions;

  constructor(old: OldFiles, options: FileCoderOptions) {
    this.#old = old;
    this.#options = options;
  }

  /** `made`: what the part that the file goes into holds already. */
  async code(file: FileObject, content: RandomAccess, made: PartFiles): Promise<CodedFile> {
    const best = new Best(await estimateBytes(content));
    if (file.size < LEAST_CODED_BYTES) return best.coded('tiny');
    const likely = this.#old
      .named(file)
      .filter(({ size }) => size * LEAST_SIZE_FACTOR >= file.size)
      .slice(0, NAMED_TRIES);
    const named: FileObject[] = [];
    for (const source of likely) {
      if (best.isGood) break;
      named.push(source);
      best.offer(await this.#patch(source, content, 'named'));
    }
    const same = await this.#old.sameContent(file, content, named);
    if (same !== undefined) best.offer(copyOf(same));
    if (!best.isGood && file.size >= LEAST_SAMPLED_BYTES) {
      const samples = await sampleContent(content, this.#options);
      await this.#tryAlike(content, samples, { named, made, best });
      return { ...best.coded('no-source'), samples };
    }
    return best.coded('no-source');
  }

  async #tryAlike(
    content: RandomAccess,
    samples: ContentSamples,
    { named, made, best }: AlikeInput,
  ): Promise<void> {
    const found = await this.#alike(content, samples, best);
    const known = found.find(({ file }) => named.includes(file))?.share ?? 0;
    const better = found.filter(({ file, share }) => {
      return !named.includes(file) && share > known * CLEARLY_MORE;
    });
    for (const { file } of better.slice(0, ALIKE_TRIES)) {
      if (!best.isGood) best.offer(await this.#patch(file, content, 'alike'));
    }
    const [first, ...others] = found.slice(0, COPY_SOURCES);
    const rest = others.reduce((total, { share }) => total + share, 0);
    const isHuge = content.size > PATCHED_BYTES;
    if (first !== undefined && !best.isGood && (isHuge || rest >= LEAST_REST_SHARE)) {
      const files = [first, ...others].map(({ file }) => file);
      best.offer(reasoned(await this.#copy(files, content), 'several-sources'));
    }
    const earlier = best.isGood ? undefined : made.alike(samples);
    if (earlier === undefined) return;
    const coding = await made.withContent(earlier, (old) =>
      this.#match(earlier.checksum, old, content),
    );
    best.offer(reasoned(coding, 'same-part'));
  }

  /**
   * Old files with content in common: nearly always what a file was made from is gone, being what it was
   * before. Only a file that none of those explains, and large enough, has the rest of the tree read.
   */
  async #alike(
    { size }: RandomAccess,
    samples: ContentSamples,
    { whole }: Best,
  ): Promise<readonly Alike<FileObject>[]> {
    const limit = ALIKE_SOURCES;
    const gone = await this.#old.alike(samples, { fate: 'gone', limit });
    const isWorthAll =
      whole * READ_FOR_BYTE >= this.#old.keptBytes && whole < size * COMPRESSIBLE_SHARE;
    if (gone.length > 0 || !isWorthAll) return gone;
    return this.#old.alike(samples, { fate: 'kept', limit });
  }

  /** Undefined for a file that can't be a source. */
  #patch(
    source: FileObject,
    fresh: RandomAccess,
    reason: CodingReason,
  ): Promise<CodedFile | undefined> {
    return this.#old.withContent(source, async (old) =>
      (await isEqual(old, fresh, this.#options))
        ? copyOf(source)
        : reasoned(await this.#match(source.checksum, old, fresh), reason),
    );
  }

  #match(
    source: FileObject['checksum'],
    old: RandomAccess,
    fresh: RandomAccess,
  ): Promise<PricedCoding> {
    return patchFile({
      source,
      pair: new FilePair(old, fresh, this.#options.pairBytes),
      ...this.#options,
    });
  }

  /** Opens one source after another, then looks for the bytes of all of them. */
  async #copy(
    files: readonly FileObject[],
    fresh: RandomAccess,
    opened: readonly CopySource[] = [],
  ): Promise<PricedCoding | undefined> {
    const [next, ...rest] = files;
    if (next === undefined) return copyFile(opened, fresh, this.#options);
    const found = await this.#old.withContent(next, async (content) => ({
      coding: await this.#copy(rest, fresh, [...opened, { checksum: next.checksum, content }]),
    }));
    return found === undefined ? this.#copy(rest, fresh, opened) : found.coding;
  }
}

/** An old file as it is, by another owner, mode or xattrs. */
function copyOf({ checksum, size }: FileObject): CodedFile {
  const piece = { kind: 'copy', source: checksum, offset: 0, length: size } as const;
  return { coding: { kind: 'pieces', pieces: [piece] }, reason: 'same-content', cost: 0 };
}

function reasoned(priced: PricedCoding | undefined, reason: CodingReason): CodedFile | undefined {
  return priced && { ...priced, reason };
}

interface AlikeInput {
  /** Old files that were tried for their names. */
  readonly named: readonly FileObject[];
  readonly made: PartFiles;
  readonly best: Best;
}

/** The cheapest coding so far; at first, the whole file. */
class Best {
  /** About how many bytes the whole file takes when compressed. */
  readonly whole: number;
  #found: CodedFile | undefined;

  constructor(whole: number) {
    this.whole = whole;
  }

  get isGood(): boolean {
    return (this.#found?.cost ?? this.whole) <= this.whole * GOOD_SHARE;
  }

  offer(coded: CodedFile | undefined): void {
    if (coded === undefined || coded.cost >= (this.#found?.cost ?? this.whole)) return;
    this.#found = coded;
  }

  /** The winner; `reason` is the one for the whole file. */
  coded(reason: CodingReason): CodedFile {
    return this.#found ?? { coding: { kind: 'whole' }, reason, cost: this.whole };
  }
}
