import { DeltaError } from '../../errors.ts';
import { OBJECT_LIMITS } from './limits.ts';

/**
 * Throws `bad_format` for a name that no directory entry can have (`ot_util_filename_validate`):
 * empty, `.`, `..`, with `/` or NUL, or over 255 bytes of UTF-8.
 */
export function checkFileName(name: string, what: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw new DeltaError('bad_format', `${what} has an entry named ${JSON.stringify(name)}`);
  }
  const bytes = Buffer.byteLength(name);
  if (bytes > OBJECT_LIMITS.nameBytes) {
    throw new DeltaError('bad_format', `${what} has an entry with a name of ${bytes} bytes`);
  }
}

/** Orders names by their UTF-8 bytes, as libostree's searches expect; UTF-16 orders some otherwise. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
