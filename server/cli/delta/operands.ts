import { stat } from 'node:fs/promises';

import { ServerError } from '../../errors.ts';
import { splitTag } from '../sources/split-tag.ts';

/** One platform's image of an OCI layout. */
export interface ImageOperand {
  readonly kind: 'image';
  readonly dir: string;
  readonly tag: string | undefined;
  readonly platform: string | undefined;
}

/** What `rivulet delta` was given: a file or tar by its path, or an image. */
export type Operand = { readonly kind: 'file'; readonly path: string } | ImageOperand;

/** Parses `PATH` or `oci:DIR[:TAG][@os/arch[/variant]]`. */
export function parseOperand(text: string): Operand {
  if (!text.startsWith('oci:')) return { kind: 'file', path: text };
  const [, place = '', platform] =
    /^oci:(.*?)(?:@([a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?))?$/.exec(text) ?? [];
  if (place === '') {
    throw new ServerError(
      'usage',
      `not an image: ${JSON.stringify(text)} (expected oci:DIR:TAG@os/arch[/variant])`,
    );
  }
  const { path, tag } = splitTag(place);
  return { kind: 'image', dir: path, tag, platform };
}

/** An operand that may be named by its place or by its flag, not both. */
export function operandOf(
  name: string,
  place: string | undefined,
  flag: string | undefined,
): string {
  if (place !== undefined && flag !== undefined) {
    throw new ServerError('usage', `${place} and --${name} ${flag}: name it once`);
  }
  const named = place ?? flag;
  if (named === undefined) throw new ServerError('usage', `no --${name}: say what to work on`);
  return named;
}

/** Throws `not_found` or `usage` unless the path is a file. */
export async function needFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return;
  } catch (cause) {
    throw new ServerError('not_found', `cannot read ${path}: no such file`, { cause });
  }
  throw new ServerError('usage', `${path} is not a file`);
}
