import type { Digest } from '../storage/digest.ts';
import type { RandomAccess } from '../storage/random-access.ts';
import { openDelta, type DeltaFile } from './apply.ts';
import { codecName } from './codecs/registry.ts';
import { readFrameNotes as readNotesStream } from './format/frame.ts';
import { readFrameHead, STREAM_NAMES, type StreamName } from './format/frame-head.ts';
import type { DeltaKind, OutputFacts } from './format/facts.ts';
import { readFrameNotes, reasonText, USUAL_NOTE, type Note } from './format/notes.ts';

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
  /** Stored bytes by stream (FORMAT.md, "Frames"): `pairs` is mostly control, `model` the sections. */
  readonly streams: Readonly<Partial<Record<StreamName | 'heads', number>>>;
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
  for (const output of delta.outputs) {
    const summary = delta.isWhole
      ? wholeSummary(delta, output)
      : await framesSummary(delta, output, offset);
    outputs.push(summary);
    offset += summary.codedBytes;
  }
  return {
    version: delta.version,
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

async function framesSummary(
  { source, version }: DeltaFile,
  { diffId, size, reuse }: OutputFacts,
  start: number,
): Promise<OutputSummary> {
  const sections = new Map<string, SectionSummary>();
  const streams: Partial<Record<StreamName | 'heads', number>> = {};
  let offset = start;
  let frames = 0;
  for (let done = 0; !reuse && done < size; frames += 1) {
    const head = await readFrameHead(source, offset, { version, done, size });
    done += head.outputBytes;
    const codedBytes = head.endOffset - offset;
    const notes = await readNotesStream(source, head);
    const rawBytes = head.outputBytes;
    const hasModel = head.streams.model.rawBytes > 0;
    for (const note of readFrameNotes(notes, { hasModel, rawBytes, codedBytes })) {
      addNote(sections, note);
    }
    streams.heads = (streams.heads ?? 0) + head.dataOffset - offset;
    for (const name of STREAM_NAMES) {
      const { storedBytes } = head.streams[name];
      if (storedBytes > 0) streams[name] = (streams[name] ?? 0) + storedBytes;
    }
    offset = head.endOffset;
  }
  const sorted = [...sections.values()].sort((a, b) => b.codedBytes - a.codedBytes);
  return { diffId, size, reuse, frames, codedBytes: offset - start, streams, sections: sorted };
}

/** A file that is compressed as a whole is one section. */
function wholeSummary(
  { source, framesOffset }: DeltaFile,
  { diffId, size, reuse }: OutputFacts,
): OutputSummary {
  const codedBytes = source.size - framesOffset;
  const sections = new Map<string, SectionSummary>();
  addNote(sections, { ...USUAL_NOTE.literal, count: 1, rawBytes: size, codedBytes, name: '' });
  const streams = { literals: codedBytes };
  return { diffId, size, reuse, frames: 0, codedBytes, streams, sections: [...sections.values()] };
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
