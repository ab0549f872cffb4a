import { StorageError } from '../../../storage/errors.ts';
import { sortedXattrs, type Xattr } from '../objects/xattrs.ts';

type Native = typeof import('@napi-rs/xattr');

/**
 * Node has no call for extended attributes, so a native package has them (prebuilt, an optional
 * dependency): only bare and bare-user repositories need it.
 */
async function native(): Promise<Native> {
  try {
    return await import('@napi-rs/xattr');
  } catch (cause) {
    throw new StorageError(
      'unavailable',
      'extended attributes can not be read: the package @napi-rs/xattr is not installed, or has no ' +
        'build for this system (a repository of mode archive or bare-user-only needs none)',
      { cause, retryable: false },
    );
  }
}

/** An attribute of a file, or of the symlink itself; undefined when it has none of that name. */
export async function readXattr(path: string, name: string): Promise<Buffer | undefined> {
  const { getAttribute } = await native();
  const value = await getAttribute(path, name).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return value ?? undefined;
}

/** All attributes of a file, or of the symlink itself, sorted by name. */
export async function readAllXattrs(path: string): Promise<readonly Xattr[]> {
  const { listAttributes } = await native();
  const names = await listAttributes(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const xattrs: Xattr[] = [];
  for (const name of names) {
    const value = await readXattr(path, name);
    if (value !== undefined) xattrs.push({ name: Buffer.from(name), value });
  }
  return sortedXattrs(xattrs);
}

function unreadable(path: string, cause: unknown): StorageError {
  return new StorageError('unavailable', `can't read the extended attributes of ${path}`, {
    cause,
  });
}
