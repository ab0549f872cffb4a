import { DeltaError } from '../../errors.ts';
import { VARIANT_LIMITS } from './limits.ts';

export type FixedCode = 'y' | 'b' | 'n' | 'q' | 'i' | 'u' | 'h' | 'x' | 't' | 'd';
export type TextCode = 's' | 'o' | 'g';

interface TypeFacts {
  /** The type string. */
  readonly text: string;
  /** Bytes; a value begins at a multiple of it. */
  readonly alignment: 1 | 2 | 4 | 8;
  /** Bytes of every value, or undefined when they differ. */
  readonly fixedSize: number | undefined;
  /** Levels of nesting, 1 for a leaf. */
  readonly depth: number;
}

export interface FixedType extends TypeFacts {
  readonly kind: 'fixed';
  readonly code: FixedCode;
  readonly fixedSize: number;
}
export interface TextType extends TypeFacts {
  readonly kind: 'text';
  readonly code: TextCode;
}
export interface VariantBoxType extends TypeFacts {
  readonly kind: 'variant';
}
export interface MaybeType extends TypeFacts {
  readonly kind: 'maybe';
  readonly element: VariantType;
}
export interface ArrayType extends TypeFacts {
  readonly kind: 'array';
  readonly element: VariantType;
}
/** A tuple or a dictionary entry, which are laid out alike. */
export interface TupleType extends TypeFacts {
  readonly kind: 'tuple';
  readonly members: readonly VariantType[];
  /** How many members need a framing offset: the variable ones, save the last member. */
  readonly framed: number;
}

/** A parsed type string (GVariant specification 1.0, sections 2.3 and 3.2). */
export type VariantType = FixedType | TextType | VariantBoxType | MaybeType | ArrayType | TupleType;

const FIXED = { y: 1, b: 1, n: 2, q: 2, i: 4, u: 4, h: 4, x: 8, t: 8, d: 8 } as const;
const BASIC = 'ybnqiuhxtdsog';

/** Types come from the wire too, so the cache is bounded: it starts anew when it is full. */
const CACHED_TYPES = 512;
const cache = new Map<string, VariantType>();

/**
 * Parses one definite type. Throws `bad_format` for anything else: the indefinite `*`, `?` and `r`,
 * several types in a row, a dictionary entry whose key is no basic type, one nested or long past
 * {@link VARIANT_LIMITS}. A maybe of a maybe is refused too: `undefined` could not tell its two
 * nothings apart.
 */
export function parseType(text: string): VariantType {
  const known = cache.get(text);
  if (known !== undefined) return known;
  if (text.length > VARIANT_LIMITS.typeLength) {
    throw broken(text, `has ${text.length} characters, at most ${VARIANT_LIMITS.typeLength} do`);
  }
  const type = parseOne(text, 0, 1);
  if (type.text.length !== text.length) {
    throw broken(text, `goes on after its end at ${type.text.length}`);
  }
  if (cache.size >= CACHED_TYPES) cache.clear();
  cache.set(text, type);
  return type;
}

function parseOne(text: string, at: number, level: number): VariantType {
  if (level > VARIANT_LIMITS.depth) throw broken(text, `is nested past ${VARIANT_LIMITS.depth}`);
  const code = text.charAt(at);
  switch (code) {
    case 's':
    case 'o':
    case 'g':
      return { kind: 'text', code, text: code, alignment: 1, fixedSize: undefined, depth: 1 };
    case 'v':
      return { kind: 'variant', text: code, alignment: 8, fixedSize: undefined, depth: 1 };
    case 'a':
    case 'm':
      return wrapperType(code, text, at, parseOne(text, at + 1, level + 1));
    case '(':
      return tupleType(text, at, parseMembers(text, at + 1, level + 1));
    case '{':
      return tupleType(text, at, parseEntry(text, at + 1, level + 1));
    default:
      if (!isFixedCode(code)) throw broken(text, `has no type at character ${at}`);
      return {
        kind: 'fixed',
        code,
        text: code,
        alignment: FIXED[code],
        fixedSize: FIXED[code],
        depth: 1,
      };
  }
}

function isFixedCode(code: string): code is FixedCode {
  return code in FIXED;
}

function wrapperType(
  code: 'a' | 'm',
  text: string,
  at: number,
  element: VariantType,
): ArrayType | MaybeType {
  const facts = {
    text: text.slice(at, at + 1 + element.text.length),
    alignment: element.alignment,
    fixedSize: undefined,
    depth: element.depth + 1,
    element,
  };
  if (code === 'a') return { kind: 'array', ...facts };
  if (element.kind === 'maybe')
    throw broken(text, 'has a maybe of a maybe, which is not read here');
  return { kind: 'maybe', ...facts };
}

function parseMembers(text: string, start: number, level: number): VariantType[] {
  const members: VariantType[] = [];
  let at = start;
  while (text.charAt(at) !== ')') {
    const member = parseOne(text, at, level);
    members.push(member);
    at += member.text.length;
  }
  return members;
}

function parseEntry(text: string, at: number, level: number): VariantType[] {
  if (at >= text.length || !BASIC.includes(text.charAt(at))) {
    throw broken(text, `has a dictionary key at character ${at} that is no basic type`);
  }
  const key = parseOne(text, at, level);
  const value = parseOne(text, at + 1, level);
  if (text.charAt(at + 1 + value.text.length) !== '}') {
    throw broken(text, `has a dictionary entry at character ${at - 1} that is not closed`);
  }
  return [key, value];
}

function tupleType(text: string, at: number, members: readonly VariantType[]): TupleType {
  const inside = members.reduce((length, member) => length + member.text.length, 0);
  const alignment = members.reduce<TupleType['alignment']>(
    (most, member) => (member.alignment > most ? member.alignment : most),
    1,
  );
  return {
    kind: 'tuple',
    text: text.slice(at, at + inside + 2),
    alignment,
    fixedSize: fixedTupleSize(members, alignment),
    depth: members.reduce((deepest, member) => Math.max(deepest, member.depth), 0) + 1,
    members,
    framed: members.slice(0, -1).filter((member) => member.fixedSize === undefined).length,
  };
}

/** Fixed members pad between them and at the end; the empty tuple is one zero byte (section 2.5.3). */
function fixedTupleSize(members: readonly VariantType[], alignment: number): number | undefined {
  if (members.length === 0) return 1;
  let size = 0;
  for (const member of members) {
    if (member.fixedSize === undefined) return undefined;
    size = alignUp(size, member.alignment) + member.fixedSize;
  }
  return alignUp(size, alignment);
}

/** The next multiple of `alignment`, a power of two. */
export function alignUp(at: number, alignment: number): number {
  return Math.ceil(at / alignment) * alignment;
}

function broken(text: string, problem: string): DeltaError {
  return new DeltaError(
    'bad_format',
    `GVariant type ${JSON.stringify(text.slice(0, 100))} ${problem}`,
  );
}
