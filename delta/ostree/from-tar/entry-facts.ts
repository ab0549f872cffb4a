import { parseNumber, untilZero, type TarHeader } from '../../../storage/tar/header.ts';
import { listPax } from '../../../storage/tar/pax.ts';
import { DeltaError } from '../../errors.ts';
import { sortedXattrs, type Xattr } from '../objects/xattrs.ts';

/** What the headers before an entry's own say, to be heeded instead. */
export interface ExtendedFacts {
  readonly path?: Buffer | undefined;
  readonly linkPath?: Buffer | undefined;
  readonly size?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly xattrs: readonly Xattr[];
}

export const NO_FACTS: ExtendedFacts = { xattrs: [] };

/** Star's and GNU tar's records of extended attributes, libarchive's own, and those of Red Hat's tar. */
const XATTR = 'SCHILY.xattr.';
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';
const SELINUX = 'RHT.security.selinux';
const SPARSE = 'GNU.sparse.';

/**
 * The facts with those of a PAX header (POSIX.1-2001, "pax Header Block"). Throws `bad_format` for
 * broken records, and for a sparse file, whose content is not as it stands there.
 */
export function withPax(facts: ExtendedFacts, bytes: Buffer): ExtendedFacts {
  const records = listPax(bytes);
  if (records === undefined) throw new DeltaError('bad_format', 'the tar has a broken PAX header');
  let next = facts;
  const xattrs = new Map(facts.xattrs.map((one) => [one.name.toString('latin1'), one.value]));
  const own = records.filter(({ key }) => key.startsWith(XATTR)).map(({ key }) => key);
  for (const { key, value } of records) {
    if (key === 'path') next = { ...next, path: value };
    else if (key === 'linkpath') next = { ...next, linkPath: value };
    else if (key === 'size' || key === 'uid' || key === 'gid') {
      next = { ...next, [key]: paxNumber(key, value) };
    } else if (key.startsWith(SPARSE)) throw sparse(facts.path);
    else if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), value);
    else if (key === SELINUX) xattrs.set('security.selinux', value);
    else if (key.startsWith(LIBARCHIVE_XATTR)) {
      // bsdtar writes each attribute in both forms.
      const name = libarchiveName(key.slice(LIBARCHIVE_XATTR.length));
      if (!own.includes(XATTR + name)) {
        xattrs.set(name, Buffer.from(value.toString('latin1'), 'base64'));
      }
    }
  }
  const list = [...xattrs].map(([name, value]) => ({ name: Buffer.from(name, 'latin1'), value }));
  return { ...next, xattrs: sortedXattrs(list) };
}

/** The target of a link: from the headers before, or the header's own field. */
export function linkTarget(header: TarHeader, facts: ExtendedFacts): Buffer {
  return facts.linkPath ?? untilZero(header.block.subarray(157, 257));
}

/** Owner, permissions and time of an entry; `bad_format` for owners and modes that are no numbers. */
export function ownerAndMode(
  { block }: TarHeader,
  facts: ExtendedFacts,
): {
  readonly uid: number;
  readonly gid: number;
  readonly permissions: number;
  readonly mtime: number;
} {
  const [mode, uid, gid] = [
    block.subarray(100, 108),
    block.subarray(108, 116),
    block.subarray(116, 124),
  ].map(parseNumber);
  if (mode === undefined || uid === undefined || gid === undefined) {
    throw new DeltaError('bad_format', 'the tar has an entry whose mode or owner is no number');
  }
  return {
    uid: facts.uid ?? uid,
    gid: facts.gid ?? gid,
    permissions: mode & 0o7777,
    mtime: parseNumber(block.subarray(136, 148)) ?? 0,
  };
}

/** The refusal of a sparse file. */
export function sparse(path: Buffer | undefined): DeltaError {
  const name = path === undefined ? '' : ` ${JSON.stringify(path.toString('utf8').slice(0, 200))}`;
  return new DeltaError('bad_format', `the tar has a sparse file${name}: make it without --sparse`);
}

/** Names are escaped as in URLs, with the bytes that libarchive takes for special. */
function libarchiveName(text: string): string {
  try {
    return Buffer.from(decodeURIComponent(text), 'utf8').toString('latin1');
  } catch (cause) {
    const message = `the tar has an xattr of a broken name: ${text.slice(0, 100)}`;
    throw new DeltaError('bad_format', message, { cause });
  }
}

function paxNumber(key: string, value: Buffer): number {
  const text = value.toString('latin1');
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new DeltaError('bad_format', `the tar has a PAX ${key} of ${text.slice(0, 40)}`);
}
