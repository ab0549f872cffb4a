import { DeltaError } from '../../errors.ts';
import { utf8Text } from '../gvariant/text.ts';
import { OBJECT_LIMITS } from '../objects/limits.ts';

/** The text of a symlink's target. Throws `bad_format` for one too long or not in UTF-8. */
export function targetText(path: string, bytes: Buffer): string {
  const text = bytes.length > OBJECT_LIMITS.targetBytes ? undefined : utf8Text(bytes);
  if (text === undefined) {
    throw new DeltaError(
      'bad_format',
      `${path}: a symlink whose target of ${bytes.length} bytes is too long or not UTF-8`,
    );
  }
  return text;
}
