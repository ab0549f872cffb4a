import type { OstreeKind, OstreeObjectName } from '../../../storage/ostree/object-name.ts';
import { DeltaError } from '../../errors.ts';
import { isChecksum } from './checksum.ts';

/** `file` is a content object: a regular file or a symlink with its owner, mode and xattrs. */
export type ObjectKind = OstreeKind;

/** The kinds whose checksum is that of their bytes. */
export type MetadataKind = Exclude<ObjectKind, 'file'>;

/** As the store names it. */
export type ObjectName = OstreeObjectName;

/** The file name's extension in a repository of mode archive. */
const EXTENSIONS = {
  commit: 'commit',
  dirtree: 'dirtree',
  dirmeta: 'dirmeta',
  file: 'filez',
} as const satisfies Record<ObjectKind, string>;

const KINDS = new Map<string, ObjectKind>([
  ['commit', 'commit'],
  ['dirtree', 'dirtree'],
  ['dirmeta', 'dirmeta'],
  ['filez', 'file'],
]);

/** `<hex>.commit`, `.dirtree`, `.dirmeta` or `.filez`: as pushes name an object. */
export function objectFileName({ checksum, kind }: ObjectName): string {
  return `${checksum}.${EXTENSIONS[kind]}`;
}

/** `objects/xx/rest.ext`: where an archive repository keeps an object. */
export function objectPath({ checksum, kind }: ObjectName): string {
  return `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${EXTENSIONS[kind]}`;
}

/** Reads what {@link objectFileName} makes. Throws `bad_format`. */
export function parseObjectFileName(text: string): ObjectName {
  const [checksum = '', extension = '', ...rest] = text.split('.', 3);
  const kind = KINDS.get(extension);
  if (!isChecksum(checksum) || kind === undefined || rest.length > 0) throw notA('file name', text);
  return { checksum, kind };
}

/** Reads what {@link objectPath} makes. Throws `bad_format`. */
export function parseObjectPath(text: string): ObjectName {
  const match = /^objects\/([0-9a-f]{2})\/([0-9a-f]{62}\.[a-z]{5,7})$/.exec(text);
  if (match === null) throw notA('path', text);
  return parseObjectFileName(`${match[1] ?? ''}${match[2] ?? ''}`);
}

function notA(form: string, text: string): DeltaError {
  return new DeltaError(
    'bad_format',
    `not an OSTree object's ${form}: ${JSON.stringify(text.slice(0, 100))}`,
  );
}
