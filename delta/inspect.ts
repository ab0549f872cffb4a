import type { Digest } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { openDelta } from './apply.ts';
import { codecName } from './codecs/registry.ts';
import { DeltaError } from './errors.ts';
import { readFrameHead, readFrameNotes } from './format/frame.ts';
import { VERSION, type DeltaKind } from './format/header.ts';
import { readNotes, reasonText, type Note } from './format/notes.ts';

/** A part of an output: one file of note, or everything else of one sort taken together. */
export interface SectionSummary {
  /** The file's name in the tar (UTF-8, broken bytes as U+FFFD); absent for what is taken together. */
  readonly name?: string | undefined;
  /** How many files or runs it stands for; one that lies in two frames counts twice. */
  readonly count: number;
  readonly codec: string;
  /** Why it was coded so. */
  readonly why: string;
  readonly rawBytes: number;
  /** Its share of the delta, estimated within a frame by the bytes that it put into the streams. */
  readonly codedBytes: number;
}

export interface OutputSummary {
  readonly diffId: Digest;
  readonly size: number;
  /** True if the base has it already. */
  readonly reuse: boolean;
  readonly frames: number;
  /** Bytes of its frames. */
  readonly codedBytes: number;
  /** The most expensive first. */
  readonly sections: readonly SectionSummary[];
}

/** What a delta holds; JSON-able. */
export interface DeltaSummary {
  readonly version: number;
  readonly kind: DeltaKind;
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  readonly size: number;
  readonly headerBytes: number;
  readonly ramBytes: number;
  readonly base: readonly { readonly diffId: Digest; readonly size: number }[];
  readonly outputs: readonly OutputSummary[];
}

/**
 * Reads a delta's header, frame heads and notes; needs no base and applies nothing. Throws as
 * `openDelta` does, and `bad_format` for broken frames.
 */
export async function inspectDelta(source: RandomAccess): Promise<DeltaSummary> {
  const delta = await openDelta(source);
  const outputs: OutputSummary[] = [];
  let offset = delta.framesOffset;
  for (const { diffId, size, reuse } of delta.outputs) {
    const start = offset;
    const sections = new Map<string, SectionSummary>();
    let frames = 0;
    for (let done = 0; !reuse && done < size; frames += 1) {
      const head = await readFrameHead(source, offset);
      done += head.outputBytes;
      if (done > size) throw new DeltaError('bad_format', `the frames of ${diffId} are too long`);
      for (const note of readNotes(await readFrameNotes(source, head))) addNote(sections, note);
      offset = head.endOffset;
    }
    const sorted = [...sections.values()].sort((a, b) => b.codedBytes - a.codedBytes);
    outputs.push({ diffId, size, reuse, frames, codedBytes: offset - start, sections: sorted });
  }
  return {
    version: VERSION,
    kind: delta.kind,
    from: delta.from,
    to: delta.to,
    size: source.size,
    headerBytes: delta.framesOffset,
    ramBytes: delta.ramBytes,
    base: delta.base,
    outputs,
  };
}

/** A file that goes on over several frames is one section. */
function addNote(sections: Map<string, SectionSummary>, note: Note): void {
  const key = `${note.codec} ${note.reason} ${note.name}`;
  const known = sections.get(key);
  sections.set(key, {
    name: note.name === '' ? undefined : note.name,
    count: note.name === '' ? (known?.count ?? 0) + note.count : 1,
    codec: codecName(note.codec),
    why: reasonText(note.reason),
    rawBytes: (known?.rawBytes ?? 0) + note.rawBytes,
    codedBytes: (known?.codedBytes ?? 0) + note.codedBytes,
  });
}
