import { join } from 'node:path';

import { isStorageError, StorageError } from '../../../storage/errors.ts';
import { DeltaError } from '../../errors.ts';
import { isChecksum, parseChecksum, type Checksum } from '../objects/checksum.ts';
import { parseRefName } from '../ref-name.ts';
import { readBounded } from './read-parts.ts';

/** Bytes of a ref's file: 64 digits and a line end. */
const MAX_REF_BYTES = 256;

/**
 * The commit that a name stands for in the repository at `path`: a checksum stands for itself, `ref`
 * for `refs/heads`, `remote:ref` for `refs/remotes`. Throws `missing` for a ref that is not there,
 * `bad_format` for what is no name and for a ref that holds no checksum.
 */
export async function resolveRef(
  path: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Checksum> {
  if (isChecksum(name)) return name;
  const file = join(path, 'refs', refPath(name));
  let text: string;
  try {
    text = (await readBounded(file, MAX_REF_BYTES, signal)).toString('latin1');
  } catch (cause) {
    if (!isStorageError(cause, 'missing')) throw cause;
    throw new StorageError('missing', `there is no ref ${name} in ${path}`, { cause });
  }
  return parseChecksum(text.trim());
}

function refPath(name: string): string {
  const [first = '', second, ...rest] = name.split(':', 3);
  if (rest.length > 0) throw new DeltaError('bad_format', `not a ref: ${JSON.stringify(name)}`);
  if (second === undefined) return join('heads', parseRefName(first));
  // A remote's name is one part of a ref's.
  const remote = parseRefName(first);
  if (remote.includes('/')) throw new DeltaError('bad_format', `not a remote: ${remote}`);
  return join('remotes', remote, parseRefName(second));
}
