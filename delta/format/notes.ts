import { ByteReader, ByteWriter } from './bytes.ts';

/** Codecs by their number in notes. */
export const CODEC_NAMES = ['copy', 'zstd', 'bsdiff', 'inplace'] as const;
export type CodecName = (typeof CODEC_NAMES)[number];

/** Why a part was coded as it is, by the number in notes. Append only. */
export const REASONS = [
  'the base has the same bytes',
  'smaller than the new bytes compressed',
  'the base has nothing like it',
  'smaller compressed on its own than as a difference',
  'a tar header, compared with the old one of the same entry',
  'a tar header without an old counterpart',
  'differences were not tried: bsdiff-node is not installed',
  'differences were not tried: too large for bsdiff',
  'differences were not tried: the old bytes repeat themselves too much for bsdiff',
  'differences were not tried: bsdiff ran out of its time budget',
] as const;

export const REASON = {
  sameBytes: 0,
  difference: 1,
  nothingLike: 2,
  compressedWins: 3,
  header: 4,
  newHeader: 5,
  bsdiffMissing: 6,
  bsdiffTooLarge: 7,
  bsdiffRepetitive: 8,
  bsdiffBudget: 9,
} as const;
export type Reason = (typeof REASON)[keyof typeof REASON];

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
