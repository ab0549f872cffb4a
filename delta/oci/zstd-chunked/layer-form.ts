import type { BlobStore } from '../../../storage/blob-store.ts';
import type { ChunkIndex, IndexedChunk } from '../../../storage/chunk/chunk-index.ts';
import { PackWriter } from '../../../storage/chunk/pack.ts';
import { readFrames } from '../../../storage/chunk/restore.ts';
import {
  CompositeMapBuilder,
  formatCompositeMap,
} from '../../../storage/composite/composite-map.ts';
import { DigestHasher, digestOf, type Digest } from '../../../storage/digest.ts';
import { PassingBuffers } from '../../../storage/passing-buffers.ts';
import { compressFrame } from '../../../storage/zstd.ts';
import { closingFrames } from './closing-frames.ts';
import { FileTable, type ContentFrame } from './file-table.ts';
import { TarSteps, type TarStep } from './tar-steps.ts';

/**
 * Of own frames. On pieces of 6 to 60 KB the level of chunks makes them 0.3 to 1.7 percent smaller, in half
 * again the time and with 10 MB more.
 */
const OWN_LEVEL = 6;

export interface StoredForm {
  readonly digest: Digest;
  readonly size: number;
  readonly created: boolean;
}

/** A layer as zstd:chunked: bytes that no object holds whole. */
export interface LayerForm {
  /** What the layer blob is called, and its bytes. */
  readonly digest: Digest;
  readonly size: number;
  /** Where each of its bytes lies. */
  readonly map: StoredForm;
  /** Those that no pack of the layer has: frames of small files, and the tables. */
  readonly own: StoredForm;
  /** For its descriptor. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface LayerFormOptions {
  readonly blobs: BlobStore;
  readonly index: ChunkIndex;
  /** A folder for own bytes while they grow. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the zstd:chunked form of a chunked layer in one pass over its frames. A frame that holds bytes of
 * one file only, or of none, is taken from its pack as it is; what others hold is compressed anew, in a
 * frame for each file. Own bytes and map are durable on return, in this order, under names of their own
 * content: done again, it writes the same.
 *
 * Throws `refused` for a tar that the form can't tell of, `StorageError` for packs that were lost or damaged.
 */
export async function makeLayerForm(options: LayerFormOptions): Promise<LayerForm> {
  const { blobs, index, scratch, signal } = options;
  const own = await PackWriter.open(scratch);
  try {
    const form = new FormWriter(own);
    for await (const { chunk, frame, raw } of readFrames(blobs, index, { signal })) {
      const pack = index.packs[chunk.pack];
      await form.add({ ...chunk, pack }, frame, raw);
    }
    const annotations = await form.finish();
    const stored = await own.store(blobs, { signal });
    const { digest, size } = form.composite;
    const bytes = formatCompositeMap(form.map.finish(stored.digest));
    const map = { digest: digestOf(bytes), size: bytes.length };
    const { created } = await blobs.put(map.digest, [bytes], { size: map.size, signal });
    return { digest, size, map: { ...map, created }, own: stored, annotations };
  } finally {
    await own.dispose();
  }
}

type PlacedChunk = Omit<IndexedChunk, 'pack'> & { readonly pack: Digest | undefined };

class FormWriter {
  readonly map = new CompositeMapBuilder();
  readonly #own: PackWriter;
  readonly #hasher = new DigestHasher();
  readonly #table = new FileTable();
  readonly #steps = new TarSteps();
  readonly #buffers = new PassingBuffers();

  constructor(own: PackWriter) {
    this.#own = own;
  }

  get composite(): { readonly digest: Digest; readonly size: number } {
    return { digest: this.#hasher.digest(), size: this.map.size };
  }

  async add(chunk: PlacedChunk, frame: Buffer, raw: Buffer): Promise<void> {
    const steps = this.#steps.through(raw);
    const runs = runsOf(steps);
    const places = new Map<number, Pick<ContentFrame, 'offset' | 'endOffset'>>();
    for (const { start, end } of runs) {
      const offset = this.map.size;
      if (runs.length === 1) {
        this.#hasher.update(frame);
        this.map.add(chunk.pack, chunk.offset, chunk.length);
      } else {
        await this.#ownFrame(await compressFrame(raw.subarray(start, end), OWN_LEVEL));
        this.#buffers.passed(end - start);
      }
      places.set(start, { offset, endOffset: this.map.size });
    }
    for (const step of steps) {
      if (step.kind === 'open') this.#table.open(step.entry);
      else if (step.kind === 'close') this.#table.close();
      else {
        const bytes = raw.subarray(step.start, step.end);
        const place = places.get(step.start);
        if (step.kind === 'gap' || place === undefined) this.#table.addGap(bytes);
        else {
          const digest = runs.length === 1 ? chunk.digest : digestOf(bytes);
          this.#table.addContent({ ...place, digest, bytes });
        }
      }
    }
    await this.#table.settle();
  }

  async finish(): Promise<Readonly<Record<string, string>>> {
    const { entries, tarSplit } = this.#table.finish(this.#steps.finish());
    const { frames, annotations } = await closingFrames(entries, tarSplit, this.map.size);
    for (const frame of frames) await this.#ownFrame(frame);
    return annotations;
  }

  async #ownFrame(frame: Buffer): Promise<void> {
    this.#hasher.update(frame);
    this.map.add(undefined, await this.#own.append(frame), frame.length);
  }
}

/** What becomes a frame: content of one file, or what lies between contents. */
function runsOf(
  steps: readonly TarStep[],
): readonly { readonly start: number; readonly end: number }[] {
  const runs: { kind: 'gap' | 'content'; start: number; end: number }[] = [];
  for (const step of steps) {
    if (step.kind !== 'gap' && step.kind !== 'content') continue;
    const last = runs.at(-1);
    if (last?.kind === 'gap' && step.kind === 'gap') last.end = step.end;
    else runs.push({ ...step });
  }
  return runs;
}
