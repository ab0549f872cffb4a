import { parseNumber, untilZero } from '../../../storage/tar/header.ts';
import type { WalkedEntry } from '../../../storage/tar/tar-walk.ts';
import { DeltaError } from '../../errors.ts';
import { parsePaxTime, formatTime, type TarTime } from './tar-time.ts';

/** An entry of a table of contents: a file or folder, or (`chunk`) a further part of the file before. */
export interface TocEntry {
  readonly type: string;
  readonly name: string;
  readonly linkName?: string | undefined;
  readonly mode?: number | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** RFC 3339. */
  readonly modtime?: string | undefined;
  readonly accesstime?: string | undefined;
  readonly changetime?: string | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>> | undefined;
  /** Of the content; not of an empty file. */
  readonly digest?: string | undefined;
  /** First byte of its first frame in the layer blob. */
  readonly offset?: number | undefined;
  readonly endOffset?: number | undefined;
  /** Of the parts of a file that has several. */
  readonly chunkSize?: number | undefined;
  readonly chunkOffset?: number | undefined;
  readonly chunkDigest?: string | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  '0': 'reg',
  '\0': 'reg',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};
const XATTR_PREFIX = 'SCHILY.xattr.';

/**
 * What a table of contents says of an entry, without its content: exactly what Go's `archive/tar` reads in
 * the headers, since containers/storage compares the two. Throws `refused` for an entry that has no place
 * in a table, or that Go reads in another way than is sure here.
 */
export function tocEntryOf(entry: WalkedEntry): TocEntry {
  const { header, pax, size } = entry;
  const { block } = header;
  const name = textOf(entry.name);
  const type = typeOf(entry);
  if (!entry.isPlain) throw refused(name, 'its PAX header is global or does not parse');
  if (!entry.storesPayload && size > 0) throw refused(name, `it says that it has ${size} bytes`);
  if (pax.some(({ key }) => key.startsWith('GNU.sparse.'))) throw refused(name, 'it is sparse');
  const value = (key: string): string | undefined =>
    pax.findLast((record) => record.key === key)?.value.toString('latin1');
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  if (isUstar && block.toString('latin1', 508, 512) === 'tar\0')
    throw refused(name, 'it is of star');
  const isGnu = block.toString('latin1', 257, 265) === 'ustar  \0';
  const time = (key: string, at: number): TarTime | undefined => {
    const text = value(key);
    if (text !== undefined) return parsePaxTime(text) ?? fail(name, `its ${key} is ${text}`);
    if (key !== 'mtime' && !(isGnu && block[at] !== 0)) return undefined;
    return { seconds: field(block, at, 12, name), nanoseconds: 0 };
  };
  return {
    type,
    name,
    linkName: nonEmpty(textOf(entry.linkName)),
    mode: nonZero(field(block, 100, 8, name)),
    size: nonZero(size),
    uid: nonZero(wholeOf(value('uid'), name) ?? field(block, 108, 8, name)),
    gid: nonZero(wholeOf(value('gid'), name) ?? field(block, 116, 8, name)),
    modtime: formatTime(time('mtime', 136)),
    accesstime: formatTime(time('atime', 345)),
    changetime: formatTime(time('ctime', 357)),
    devMajor: isUstar ? nonZero(field(block, 329, 8, name)) : undefined,
    devMinor: isUstar ? nonZero(field(block, 337, 8, name)) : undefined,
    xattrs: xattrsOf(entry),
  };
}

function typeOf({ header, name }: WalkedEntry): string {
  const old = header.type === '\0' && name.at(-1) === 0x2f;
  const type = old ? 'dir' : TYPES[header.type];
  return type ?? fail(textOf(name), `its type is ${JSON.stringify(header.type)}`);
}

function xattrsOf({ pax }: WalkedEntry): Readonly<Record<string, string>> | undefined {
  const xattrs = new Map<string, string>();
  for (const { key, value } of pax) {
    if (!key.startsWith(XATTR_PREFIX)) continue;
    xattrs.set(key.slice(XATTR_PREFIX.length), value.toString('base64'));
  }
  return xattrs.size === 0 ? undefined : Object.fromEntries(xattrs);
}

/** Names are bytes; JSON has text. */
function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refused(bytes.toString('latin1'), 'the name is not UTF-8');
  }
}

function field(block: Buffer, at: number, bytes: number, name: string): number {
  const value = parseNumber(block.subarray(at, at + bytes));
  return (
    value ??
    fail(
      name,
      `the number at byte ${at} is ${untilZero(block.subarray(at, at + bytes)).toString('latin1')}`,
    )
  );
}

function wholeOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : fail(name, `${text} is no number`);
}

function nonZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function fail(name: string, why: string): never {
  throw refused(name, why);
}

/** An entry that a table of contents can't tell of. */
export function refused(name: string, why: string): DeltaError {
  return new DeltaError(
    'refused',
    `no zstd:chunked form: ${JSON.stringify(name.slice(0, 200))}: ${why}`,
  );
}
