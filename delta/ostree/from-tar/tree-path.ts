import { DeltaError } from '../../errors.ts';
import { utf8Text } from '../gvariant/text.ts';
import { checkFileName } from '../objects/file-name.ts';

/** Directories inside one another; `PATH_MAX` allows no more. */
const MAX_DEPTH = 2048;

/**
 * The names that lead to an entry from the root: `/`, `./` and doubled slashes say nothing, as for
 * `ostree commit --tree=tar`. Throws `bad_format` for `..`, for bytes that are no UTF-8 (a dirtree's
 * names are text) and for names that no file can have.
 */
export function treePath(path: Buffer): readonly string[] {
  const text = utf8Text(path);
  if (text === undefined) {
    throw new DeltaError(
      'bad_format',
      `the tar's entry ${shownPath(path)} has a name that is no UTF-8`,
    );
  }
  const names = text.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length > MAX_DEPTH) {
    throw new DeltaError(
      'bad_format',
      `the tar's entry ${shownPath(path)} lies ${names.length} deep`,
    );
  }
  for (const name of names) checkFileName(name, `the tar at ${shownPath(path)}`);
  return names;
}

/** A path for messages. */
export function shownPath(path: Buffer): string {
  return JSON.stringify(path.toString('utf8').slice(0, 300));
}
