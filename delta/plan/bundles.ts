import type { EngineLimits } from '../engine/engine.ts';
import { PAIR_SPAN_BYTES } from '../format/limits.ts';
import type { ChangedFile, ChangedFilesInput } from './changed-file.ts';
import { distinctRanges, type OldRange } from './old-ranges.ts';

/** Files that the engine codes as one pair, one after another. */
export interface Bundle {
  readonly files: readonly ChangedFile[];
  /** Old bytes that they may come from. */
  readonly sources: readonly OldRange[];
  readonly newBytes: number;
  /** Old and new. */
  readonly bytes: number;
}

/** Files up to this size share a pair, so that what the coder learns of one serves the next. */
const SMALL_BYTES = 256 * 1024;
/** One section: the coder forgets everything at its end. */
const BUNDLE_NEW_BYTES = 4 * 1024 * 1024;
const BUNDLE_OLD_BYTES = 16 * 1024 * 1024;
const BUNDLE_SOURCES = 512;
/** What else the frames of a bundle have to hold: a section is never cut. */
const BUNDLE_WORK_BYTES = 512 * 1024;
const ELF_MAGIC = Buffer.from('\x7fELF', 'latin1');

/**
 * Consecutive small files together, others alone. An executable is always alone: the engine knows one
 * new one in a pair. A file beyond the engine's bound is cut in windows: see `encodeBundle`.
 */
export async function bundleFiles(
  { files, output }: Pick<ChangedFilesInput, 'files' | 'output'>,
  limits: EngineLimits,
): Promise<readonly Bundle[]> {
  const bundles: Bundle[] = [];
  let open: OpenBundle | undefined;
  const close = (): void => {
    if (open !== undefined) bundles.push(open.bundle());
    open = undefined;
  };
  for (const file of files) {
    const oldBytes = sum(sourcesOf(file));
    const isSmall = file.length <= SMALL_BYTES && oldBytes <= SMALL_BYTES * 4;
    const magic = isSmall && file.length >= 4 ? await output.read(file.offset, 4) : undefined;
    if (!isSmall || magic?.equals(ELF_MAGIC) === true) {
      close();
      bundles.push(alone(file, limits));
      continue;
    }
    if (open?.hasRoom(file) === false) close();
    open ??= new OpenBundle();
    open.add(file);
  }
  close();
  return bundles;
}

function alone(file: ChangedFile, limits: EngineLimits): Bundle {
  const all = sourcesOf(file);
  const [likeliest] = all;
  const first = likeliest === undefined ? [] : [likeliest];
  const sources = sum(all) <= limits.pairBytes ? all : first;
  return { files: [file], sources, newBytes: file.length, bytes: file.length + sum(sources) };
}

class OpenBundle {
  readonly #files: ChangedFile[] = [];
  #newBytes = 0;
  #oldBytes = 0;
  #sources = 0;
  #workBytes = 0;

  hasRoom(file: ChangedFile): boolean {
    const ranges = sourcesOf(file);
    const start = this.#files[0]?.offset ?? file.offset;
    return (
      this.#newBytes + file.length <= BUNDLE_NEW_BYTES &&
      this.#oldBytes + sum(ranges) <= BUNDLE_OLD_BYTES &&
      this.#sources + ranges.length <= BUNDLE_SOURCES &&
      this.#workBytes + (file.workBefore ?? 0) <= BUNDLE_WORK_BYTES &&
      file.offset + file.length - start <= PAIR_SPAN_BYTES
    );
  }

  add(file: ChangedFile): void {
    const ranges = sourcesOf(file);
    if (this.#files.length > 0) this.#workBytes += file.workBefore ?? 0;
    this.#files.push(file);
    this.#newBytes += file.length;
    this.#oldBytes += sum(ranges);
    this.#sources += ranges.length;
  }

  bundle(): Bundle {
    const sources = distinctRanges(this.#files.flatMap(sourcesOf));
    const newBytes = this.#newBytes;
    return { files: this.#files, sources, newBytes, bytes: newBytes + sum(sources) };
  }
}

function sourcesOf({ old, others }: ChangedFile): readonly OldRange[] {
  return distinctRanges([old, ...(others ?? [])]);
}

function sum(ranges: readonly { readonly length: number }[]): number {
  return ranges.reduce((total, { length }) => total + length, 0);
}
