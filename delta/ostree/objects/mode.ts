import { DeltaError } from '../../errors.ts';

export const S_IFMT = 0o170_000;
export const S_IFDIR = 0o040_000;
export const S_IFREG = 0o100_000;
export const S_IFLNK = 0o120_000;
const PERMISSIONS = 0o7777;

/** Throws `bad_format` unless the mode is of one of those file types and has no unknown bits. */
export function checkMode(mode: number, fileTypes: readonly number[], what: string): void {
  if (!fileTypes.includes(mode & S_IFMT) || (mode & ~(S_IFMT | PERMISSIONS)) !== 0) {
    throw new DeltaError('bad_format', `${what} has the mode 0${mode.toString(8)}`);
  }
}

/** Throws `bad_format` for a uid or gid that 32 bits can't hold. */
export function checkOwner(
  owner: { readonly uid: number; readonly gid: number },
  what: string,
): void {
  for (const id of [owner.uid, owner.gid]) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) {
      throw new DeltaError('bad_format', `${what} is owned by ${id}`);
    }
  }
}
