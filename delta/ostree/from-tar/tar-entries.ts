import { isStorageError } from '../../../storage/errors.ts';
import { ByteQueue } from '../../../storage/chunk/byte-queue.ts';
import {
  BLOCK_BYTES,
  isZeroBlock,
  parseTarHeader,
  untilZero,
  type TarHeader,
} from '../../../storage/tar/header.ts';
import { DeltaError } from '../../errors.ts';
import type { Xattr } from '../objects/xattrs.ts';
import {
  linkTarget,
  NO_FACTS,
  ownerAndMode,
  sparse,
  withPax,
  type ExtendedFacts,
} from './entry-facts.ts';

/** What an entry is, to a tree of files. */
export type TarEntryKind =
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: Buffer }
  | { readonly kind: 'hardlink'; readonly target: Buffer }
  /** A device, a fifo or a type that nobody knows: `type` is its byte in the header. */
  | { readonly kind: 'other'; readonly type: string };

export interface TarFile {
  readonly is: TarEntryKind;
  /** As it stands in the tar. */
  readonly path: Buffer;
  readonly uid: number;
  readonly gid: number;
  /** Permissions with setuid, setgid and sticky, without a type. */
  readonly permissions: number;
  /** Whole seconds since the epoch; 0 where the tar has none. */
  readonly mtime: number;
  readonly xattrs: readonly Xattr[];
  /** Bytes of a file's content. */
  readonly size: number;
  /** To be read to its end before the next entry is asked for. */
  readonly content: AsyncIterable<Buffer>;
}

/** Long names and PAX records are held whole. */
const MAX_META_BYTES = 1024 * 1024;
const PART_BYTES = 64 * 1024;

/**
 * The entries of a tar as it streams in (ustar, GNU, PAX), to its end marker; what follows is read
 * away. Throws `bad_format` for what is no tar, is cut off, or holds a sparse file.
 */
export async function* tarEntries(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<TarFile, void> {
  const queue = new ByteQueue(source, 'the tar');
  let facts = NO_FACTS;
  for (;;) {
    const block = await take(queue, BLOCK_BYTES);
    if (isZeroBlock(block)) break;
    const header = parseTarHeader(Buffer.from(block));
    if (header === undefined) throw new DeltaError('bad_format', 'not a tar: a header is broken');
    if ('LKxg'.includes(header.type)) {
      facts = withHeader(facts, header, await readMeta(queue, header));
      continue;
    }
    const file = readEntry(queue, header, facts);
    facts = NO_FACTS;
    yield file;
    await take(queue, padding(file.size));
  }
  while ((await queue.next()) !== undefined);
}

async function take(queue: ByteQueue, length: number): Promise<Buffer> {
  try {
    return await queue.take(length);
  } catch (cause) {
    if (!isStorageError(cause, 'corrupt')) throw cause;
    throw new DeltaError('bad_format', 'the tar is cut off', { cause });
  }
}

async function readMeta(queue: ByteQueue, { size }: TarHeader): Promise<Buffer> {
  if (size > MAX_META_BYTES) {
    throw new DeltaError('too_large', `the tar has a header of ${size} bytes`);
  }
  const bytes = await take(queue, size + padding(size));
  return Buffer.from(bytes.subarray(0, size));
}

/** Global PAX headers (`g`) say nothing that a tree keeps. */
function withHeader(facts: ExtendedFacts, { type }: TarHeader, bytes: Buffer): ExtendedFacts {
  switch (type) {
    case 'L':
      return { ...facts, path: untilZero(bytes) };
    case 'K':
      return { ...facts, linkPath: untilZero(bytes) };
    case 'x':
      return withPax(facts, bytes);
    default:
      return facts;
  }
}

function readEntry(queue: ByteQueue, header: TarHeader, facts: ExtendedFacts): TarFile {
  const path = facts.path ?? header.name;
  const is = kindOf(header, path, facts);
  if (header.type === 'S') throw sparse(path);
  const size = is.kind === 'file' ? (facts.size ?? header.size) : 0;
  const content = contentOf(queue, size);
  return { is, path, ...ownerAndMode(header, facts), xattrs: facts.xattrs, size, content };
}

function kindOf(header: TarHeader, path: Buffer, facts: ExtendedFacts): TarEntryKind {
  switch (header.type) {
    case '0':
    case '7':
    case '\0':
      // Before there was a type for them, directories were files with a slash at the end.
      return path.at(-1) === 0x2f ? { kind: 'directory' } : { kind: 'file' };
    case '1':
      return { kind: 'hardlink', target: linkTarget(header, facts) };
    case '2':
      return { kind: 'symlink', target: linkTarget(header, facts) };
    case '5':
      return { kind: 'directory' };
    default:
      return { kind: 'other', type: header.type };
  }
}

async function* contentOf(queue: ByteQueue, size: number): AsyncGenerator<Buffer, void> {
  let left = size;
  while (left > 0) {
    const bytes = await take(queue, Math.min(left, PART_BYTES));
    left -= bytes.length;
    yield bytes;
  }
}

function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}
