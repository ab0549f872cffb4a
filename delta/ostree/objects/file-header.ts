import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { swap32, swap64 } from '../gvariant/swap.ts';
import { OBJECT_LIMITS } from './limits.ts';
import { checkMode, checkOwner, S_IFLNK, S_IFMT, S_IFREG } from './mode.ts';
import { xattrsFromTuples, xattrsToTuples, type Xattr, type XattrTuples } from './xattrs.ts';

/** uid, gid, mode (these big-endian), rdev (0), symlink target, xattrs. */
const STREAM_TYPE = '(uuuusa(ayay))';
/** The same after the content's size (big-endian). */
const FILEZ_TYPE = '(tuuuusa(ayay))';

/** Bytes before either: the length of what follows as u32be, four zero bytes. */
export const HEADER_PREFIX_BYTES = 8;

/** What a content object says beside its content. */
export interface FileHeader {
  readonly uid: number;
  readonly gid: number;
  /** With the file type: a regular file or a symlink. */
  readonly mode: number;
  /** A symlink's target; empty for a regular file. */
  readonly target: string;
  /** Sorted by name. */
  readonly xattrs: readonly Xattr[];
}

/** A header as it stands in a `.filez`. */
export interface FilezHeader {
  readonly header: FileHeader;
  /** Bytes of the uncompressed content; 0 for a symlink. */
  readonly size: number;
}

type Decoded = readonly [number, number, number, number, string, XattrTuples];

export function isSymlink(header: FileHeader): boolean {
  return (header.mode & S_IFMT) === S_IFLNK;
}

/**
 * The header, prefix included, as it goes before the content into the object's checksum
 * (`_ostree_file_header_new`). Throws `bad_format` for a header that {@link parseStreamHeader} refuses.
 */
export function formatStreamHeader(header: FileHeader): Buffer {
  return withPrefix(encodeVariant(STREAM_TYPE, fields(header)));
}

/** The header, prefix included, that a `.filez` begins with (`_ostree_zlib_file_header_new`). */
export function formatFilezHeader({ header, size }: FilezHeader): Buffer {
  const fits = Number.isInteger(size) && size >= 0 && size <= OBJECT_LIMITS.contentBytes;
  if (!fits) throw badSize(size);
  return withPrefix(encodeVariant(FILEZ_TYPE, [swap64(BigInt(size)), ...fields(header)]));
}

/**
 * Reads what {@link formatStreamHeader} makes, and nothing else: `bad_format` for a mode that is
 * neither a regular file's nor a symlink's, a target where none belongs or none where one does.
 */
export function parseStreamHeader(bytes: Uint8Array): FileHeader {
  return parseFields(decodeVariant(STREAM_TYPE, withoutPrefix(bytes)) as Decoded);
}

/** Reads what {@link formatFilezHeader} makes; a size beyond any file system is `bad_format` too. */
export function parseFilezHeader(bytes: Uint8Array): FilezHeader {
  const decoded = decodeVariant(FILEZ_TYPE, withoutPrefix(bytes)) as readonly [bigint, ...Decoded];
  const [sizeField, ...rest] = decoded;
  const header = parseFields(rest);
  const size = swap64(sizeField);
  if (size > BigInt(OBJECT_LIMITS.contentBytes)) throw badSize(size);
  // Old writers put the target's length there, and nobody reads it.
  return { header, size: isSymlink(header) ? 0 : Number(size) };
}

/** The bytes of the header that follow its prefix. Throws `bad_format` for 0 or too many. */
export function headerLength(prefix: Buffer): number {
  const length = prefix.readUInt32BE(0);
  if (length === 0 || length > OBJECT_LIMITS.headerBytes || prefix.readUInt32BE(4) !== 0) {
    throw new DeltaError('bad_format', `a file object has a header of ${length} bytes`);
  }
  return length;
}

function fields(header: FileHeader): Decoded {
  checkHeader(header);
  const xattrs = xattrsToTuples(header.xattrs, 'a file object');
  return [swap32(header.uid), swap32(header.gid), swap32(header.mode), 0, header.target, xattrs];
}

function parseFields([uid, gid, mode, rdev, target, xattrs]: Decoded): FileHeader {
  if (rdev !== 0) throw new DeltaError('bad_format', 'a file object names a device');
  const header = {
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
    target,
    xattrs: xattrsFromTuples(xattrs, 'a file object'),
  };
  checkHeader(header);
  return header;
}

function checkHeader(header: FileHeader): void {
  checkOwner(header, 'a file object');
  checkMode(header.mode, [S_IFREG, S_IFLNK], 'a file object');
  const bytes = Buffer.byteLength(header.target);
  const fits = isSymlink(header) ? bytes > 0 && bytes <= OBJECT_LIMITS.targetBytes : bytes === 0;
  if (!fits) {
    const kind = isSymlink(header) ? 'symlink' : 'regular file';
    throw new DeltaError('bad_format', `a ${kind} has a target of ${bytes} bytes`);
  }
}

function badSize(size: number | bigint): DeltaError {
  return new DeltaError('bad_format', `a file object has a content of ${size.toString()} bytes`);
}

function withPrefix(header: Buffer): Buffer {
  const prefix = Buffer.alloc(HEADER_PREFIX_BYTES);
  prefix.writeUInt32BE(header.length, 0);
  return Buffer.concat([prefix, header]);
}

function withoutPrefix(bytes: Uint8Array): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < HEADER_PREFIX_BYTES) {
    throw new DeltaError('bad_format', `the header of a file object has ${buffer.length} bytes`);
  }
  const length = headerLength(buffer);
  if (buffer.length !== HEADER_PREFIX_BYTES + length) {
    throw new DeltaError(
      'bad_format',
      `the header of a file object has ${buffer.length - HEADER_PREFIX_BYTES} bytes, not ${length}`,
    );
  }
  return buffer.subarray(HEADER_PREFIX_BYTES);
}
