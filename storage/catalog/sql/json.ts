import { StorageError } from '../../errors.ts';
import type { DeltaResult } from '../delta-catalog.ts';

/** Reads a column that this program wrote with JSON.stringify from a map of strings. */
export function parseAnnotations(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(parseObject(text)).map(([key, value]) => {
      if (typeof value !== 'string') throw corrupt(text);
      return [key, value];
    }),
  );
}

/** Reads `DeltaResult.codecs`. */
export function parseCodecs(text: string): DeltaResult['codecs'] {
  return Object.fromEntries(
    Object.entries(parseObject(text)).map(([codec, value]) => {
      if (typeof value !== 'object' || value === null) throw corrupt(text);
      const { files, bytes } = value as { files?: unknown; bytes?: unknown };
      if (typeof files !== 'number' || typeof bytes !== 'number') throw corrupt(text);
      return [codec, { files, bytes }];
    }),
  );
}

/** Reads a list of strings. */
export function parseStrings(text: string): readonly string[] {
  const value = parseJson(text);
  if (!Array.isArray(value)) throw corrupt(text);
  return value.map((entry: unknown) => {
    if (typeof entry !== 'string') throw corrupt(text);
    return entry;
  });
}

function parseObject(text: string): object {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(text);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw corrupt(text, cause);
  }
}

function corrupt(text: string, cause?: unknown): StorageError {
  return new StorageError(
    'corrupt',
    `the catalog holds a damaged value: ${JSON.stringify(text.slice(0, 100))}`,
    { cause },
  );
}
