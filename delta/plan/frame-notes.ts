import { ByteWriter } from '../format/bytes.ts';
import { USUAL_NOTE, writeNote, type Note } from '../format/notes.ts';
import type { StreamWeights } from './frame-builder.ts';
import type { Part } from './instruction.ts';

/** A name is worth its bytes only where the file costs a hundred times as much. */
const NAME_SHARE = 100;

const NOTHING: StreamWeights = {
  ops: 0,
  sources: 0,
  diffs: 0,
  gaps: 0,
  literals: 0,
  pairs: 0,
  model: 0,
};

interface PartWeights {
  rawBytes: number;
  readonly weights: Record<keyof StreamWeights, number>;
}

/** Gathers what each part put into a frame, and writes the frame's notes for `inspect`. */
export class FrameNotes {
  readonly #parts = new Map<Part, PartWeights>();

  add(part: Part, rawBytes: number, before: StreamWeights, after: StreamWeights): void {
    let entry = this.#parts.get(part);
    if (entry === undefined) {
      entry = { rawBytes: 0, weights: { ...NOTHING } };
      this.#parts.set(part, entry);
    }
    entry.rawBytes += rawBytes;
    for (const stream of Object.keys(entry.weights) as (keyof StreamWeights)[]) {
      entry.weights[stream] += after[stream] - before[stream];
    }
  }

  /** Shares each stream's stored bytes out by the bytes that parts put into it. */
  format(raw: StreamWeights, stored: StreamWeights): Buffer {
    const only = this.#parts.size === 1 ? [...this.#parts.keys()][0] : undefined;
    const short = only === undefined ? undefined : shortNote(only, raw);
    if (short !== undefined) return short;
    const named: Note[] = [];
    const together = new Map<string, Note>();
    for (const [part, { rawBytes, weights }] of this.#parts) {
      const codedBytes = Math.round(cost(weights, raw, stored));
      const { codec, reason } = part;
      const name = part.name?.toString('utf8') ?? '';
      if (name !== '' && codedBytes >= name.length * NAME_SHARE) {
        named.push({ codec, reason, count: 1, rawBytes, codedBytes, name });
        continue;
      }
      const key = `${codec} ${reason}`;
      const sum = together.get(key) ?? {
        codec,
        reason,
        count: 0,
        rawBytes: 0,
        codedBytes: 0,
        name: '',
      };
      together.set(key, {
        ...sum,
        count: sum.count + 1,
        rawBytes: sum.rawBytes + rawBytes,
        codedBytes: sum.codedBytes + codedBytes,
      });
    }
    const out = new ByteWriter();
    for (const note of [...named, ...together.values()]) writeNote(out, note);
    return Buffer.from(out.view());
  }
}

/** The note of a frame that is one nameless file in one instruction. */
function shortNote({ kind, codec, reason, name }: Part, raw: StreamWeights): Buffer | undefined {
  const isOneOp = raw.ops === 0 && raw.sources === 0;
  if (kind !== 'file' || name !== undefined || !isOneOp) return undefined;
  const usual = raw.model > 0 ? USUAL_NOTE.model : USUAL_NOTE.literal;
  if (codec !== usual.codec) return undefined;
  return Buffer.from(reason === usual.reason ? [] : [reason]);
}

function cost(weights: StreamWeights, raw: StreamWeights, stored: StreamWeights): number {
  let sum = 0;
  for (const stream of Object.keys(weights) as (keyof StreamWeights)[]) {
    if (raw[stream] > 0) sum += (weights[stream] / raw[stream]) * stored[stream];
  }
  return sum;
}
