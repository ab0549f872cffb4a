import { encodeVariant } from '../gvariant/encode.ts';
import { swap32 } from '../gvariant/swap.ts';
import { decodeMetadata } from './metadata-bytes.ts';
import { checkMode, checkOwner, S_IFDIR } from './mode.ts';
import { xattrsFromTuples, xattrsToTuples, type Xattr, type XattrTuples } from './xattrs.ts';

/** `OSTREE_DIRMETA_GVARIANT_FORMAT`; the three numbers are big-endian. */
const TYPE = '(uuua(ayay))';

/** A directory's owner, mode and xattrs; shared by all directories with the same. */
export interface Dirmeta {
  readonly uid: number;
  readonly gid: number;
  /** With the file type, which is a directory. */
  readonly mode: number;
  readonly xattrs: readonly Xattr[];
}

type Decoded = readonly [uid: number, gid: number, mode: number, xattrs: XattrTuples];

/** Reads a `.dirmeta`. Throws `bad_format`, for a mode that is not a directory's too. */
export function parseDirmeta(bytes: Uint8Array): Dirmeta {
  const [uid, gid, mode, xattrs] = decodeMetadata('dirmeta', TYPE, bytes) as Decoded;
  const meta = {
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
    xattrs: xattrsFromTuples(xattrs, 'a dirmeta'),
  };
  checkMode(meta.mode, [S_IFDIR], 'a dirmeta');
  return meta;
}

/** The bytes of a `.dirmeta`. Throws as {@link parseDirmeta}. */
export function formatDirmeta(meta: Dirmeta): Buffer {
  checkOwner(meta, 'a dirmeta');
  checkMode(meta.mode, [S_IFDIR], 'a dirmeta');
  const xattrs = xattrsToTuples(meta.xattrs, 'a dirmeta');
  return encodeVariant(TYPE, [swap32(meta.uid), swap32(meta.gid), swap32(meta.mode), xattrs]);
}
