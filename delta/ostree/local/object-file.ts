import type { RepoMode } from '../config.ts';
import type { Checksum } from '../objects/checksum.ts';
import { objectPath, type ObjectName } from '../objects/object-name.ts';

/** A content object's file, to be opened. */
export interface ObjectFile {
  readonly path: string;
  readonly checksum: Checksum;
  readonly signal?: AbortSignal | undefined;
}

/** Where a repository keeps an object, under its folder: all but archive keep files uncompressed. */
export function localObjectPath(mode: RepoMode, name: ObjectName): string {
  const path = objectPath(name);
  return mode === 'archive' || name.kind !== 'file' ? path : path.replace(/\.filez$/, '.file');
}
