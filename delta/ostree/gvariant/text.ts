import { isUtf8 } from 'node:buffer';

import { VARIANT_LIMITS } from './limits.ts';
import type { TextCode } from './type.ts';

const OBJECT_PATH = /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/;
const HALF_A_PAIR = /\p{Surrogate}/u;
const SIGNATURE_CHARACTERS = /^[ybnqiuxthdvasog(){}]*$/;

/** What is wrong with the text of a string, object path or signature; undefined when nothing is. */
export function textFault(code: TextCode, text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL';
  if (HALF_A_PAIR.test(text)) return 'holds half a surrogate pair';
  if (code === 'o' && !OBJECT_PATH.test(text)) return 'is no object path';
  if (code === 'g' && !isSignature(text)) return 'is no signature';
  return undefined;
}

/** The text of UTF-8 bytes, or undefined when they are none (no surrogates, no longer forms). */
export function utf8Text(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** Any number of complete types in a row, without maybes (GLib's `g_variant_is_signature`). */
function isSignature(text: string): boolean {
  if (!SIGNATURE_CHARACTERS.test(text)) return false;
  let at = 0;
  while (at < text.length) {
    const end = typeEnd(text, at, 1);
    if (end === undefined) return false;
    at = end;
  }
  return true;
}

/** Where the type that begins at `at` ends; undefined when none does. */
function typeEnd(text: string, at: number, level: number): number | undefined {
  if (level > VARIANT_LIMITS.depth) return undefined;
  const code = text.charAt(at);
  if (code === 'a') return typeEnd(text, at + 1, level + 1);
  if (code === '(') {
    let next: number | undefined = at + 1;
    while (next !== undefined && text.charAt(next) !== ')') next = typeEnd(text, next, level + 1);
    return next === undefined ? undefined : next + 1;
  }
  if (code === '{') {
    if (!/[bynqihuxtdsog]/.test(text.charAt(at + 1))) return undefined;
    const end = typeEnd(text, at + 2, level + 1);
    return end !== undefined && text.charAt(end) === '}' ? end + 1 : undefined;
  }
  return code !== '' && code !== ')' && code !== '}' ? at + 1 : undefined;
}
