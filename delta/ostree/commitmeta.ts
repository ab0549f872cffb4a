import {
  dictionaryEntries,
  lookUp,
  withEntry,
  type DictionaryEntry,
} from './gvariant/dictionary.ts';
import { encodeVariant } from './gvariant/encode.ts';
import { isList } from './gvariant/value.ts';
import { decodeMetadata } from './objects/metadata-bytes.ts';

/**
 * The key of each sort of signature: ed25519 signatures of 64 bytes, or binary detached OpenPGP
 * signatures. Each holds an `aay`.
 */
export type SignatureKind = 'ostree.sign.ed25519' | 'ostree.gpgsigs';

const SIGNATURES_TYPE = 'aay';

/**
 * Reads a commit's detached metadata (`.commitmeta`, or the copy in a superblock) or a `summary.sig`,
 * which have one form. Throws `bad_format`; `too_large`.
 */
export function parseCommitmeta(bytes: Uint8Array): readonly DictionaryEntry[] {
  const decoded = decodeMetadata('commitmeta', 'a{sv}', bytes);
  return dictionaryEntries(decoded, 'a commitmeta');
}

/** The bytes of a `.commitmeta` or `summary.sig`. */
export function formatCommitmeta(entries: readonly DictionaryEntry[]): Buffer {
  return encodeVariant('a{sv}', entries);
}

/** The signatures of a kind, oldest first. Throws `bad_format` when their key holds something else. */
export function signaturesOf(
  entries: readonly DictionaryEntry[],
  kind: SignatureKind,
): readonly Uint8Array[] {
  const value = lookUp(entries, kind, SIGNATURES_TYPE, 'a commitmeta');
  return isList(value) ? value.filter((one) => one instanceof Uint8Array) : [];
}

/** The entries with one more signature after those of its kind; unchanged when it is there already. */
export function appendSignature(
  entries: readonly DictionaryEntry[],
  kind: SignatureKind,
  signature: Uint8Array,
): readonly DictionaryEntry[] {
  const present = signaturesOf(entries, kind);
  if (present.some((one) => Buffer.compare(one, signature) === 0)) return entries;
  return withEntry(entries, kind, { type: SIGNATURES_TYPE, value: [...present, signature] });
}
