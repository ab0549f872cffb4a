import { ByteReader, ByteWriter } from './bytes.ts';

/** Codecs by their number in notes (FORMAT.md, "Frames"). */
export const CODEC = { copy: 0, zstd: 1, bsdiff: 2, inplace: 3, engine: 4 } as const;

/** Why a part was coded as it is, by its number in notes. Append only. */
export const REASON = {
  sameBytes: 0,
  difference: 1,
  nothingLike: 2,
  compressedWins: 3,
  header: 4,
  newHeader: 5,
  bsdiffMissing: 6,
  bsdiffRepetitive: 7,
  bsdiffBudget: 8,
  unrelated: 9,
  engineMissing: 10,
  engineBudget: 11,
  engineFailed: 12,
  mostlyNew: 13,
} as const;
export type Reason = (typeof REASON)[keyof typeof REASON];

const REASON_TEXTS: Readonly<Record<Reason, string>> = {
  [REASON.sameBytes]: 'the base has the same bytes',
  [REASON.difference]: 'the difference is smaller than the new bytes compressed',
  [REASON.nothingLike]: 'the base has nothing like it',
  [REASON.compressedWins]: 'smaller compressed on its own than as a difference',
  [REASON.header]: 'compared with the old header of the same entry',
  [REASON.newHeader]: 'a tar header without a like old one',
  [REASON.bsdiffMissing]: 'no difference was tried: bsdiff-node was not installed',
  [REASON.bsdiffRepetitive]: 'no difference was tried: the old bytes repeat themselves too much',
  [REASON.bsdiffBudget]: 'no difference: bsdiff ran out of its time or memory budget',
  [REASON.unrelated]: 'no difference was tried: samples of old and new have nothing in common',
  [REASON.engineMissing]: 'the engine was not built: an older codec took its place',
  [REASON.engineBudget]: 'the engine ran out of its time or memory budget',
  [REASON.engineFailed]: 'the engine gave up on these files',
  [REASON.mostlyNew]: 'most of it resembles nothing old',
};

/** The reason in words. */
export function reasonText(reason: number): string {
  const texts: Readonly<Record<number, string>> = REASON_TEXTS;
  return texts[reason] ?? `reason ${reason}`;
}

/** What the note of a frame without notes is (FORMAT.md, "notes"). */
export const USUAL_NOTE = {
  model: { codec: CODEC.engine, reason: REASON.difference },
  literal: { codec: CODEC.zstd, reason: REASON.compressedWins },
} as const;

/** What one frame says about one file, or about several taken together. */
export interface Note {
  readonly codec: number;
  readonly reason: number;
  readonly count: number;
  readonly rawBytes: number;
  /** Estimated share of the frame's stored bytes. */
  readonly codedBytes: number;
  /** Empty when several are taken together. */
  readonly name: string;
}

export function writeNote(to: ByteWriter, note: Note): void {
  to.byte(note.codec).byte(note.reason).varint(note.count);
  to.varint(note.rawBytes).varint(note.codedBytes).text(note.name);
}

/**
 * A frame's notes; `bytes` may hold nothing, or a reason only, of what `frame` says: a part of so many
 * bytes of output and stored bytes, made by pairs or not.
 */
export function readFrameNotes(
  bytes: Buffer,
  frame: { readonly hasModel: boolean; readonly rawBytes: number; readonly codedBytes: number },
): readonly Note[] {
  if (bytes.length > 1) return readNotes(bytes);
  const usual = frame.hasModel ? USUAL_NOTE.model : USUAL_NOTE.literal;
  const { rawBytes, codedBytes } = frame;
  const reason = bytes[0] ?? usual.reason;
  return [{ codec: usual.codec, reason, count: 1, rawBytes, codedBytes, name: '' }];
}

export function readNotes(bytes: Buffer): readonly Note[] {
  const reader = new ByteReader(bytes, 'a note of the delta');
  const notes: Note[] = [];
  while (reader.left > 0) {
    notes.push({
      codec: reader.byte(),
      reason: reader.byte(),
      count: reader.varint(),
      rawBytes: reader.varint(),
      codedBytes: reader.varint(),
      name: reader.text(),
    });
  }
  return notes;
}
