import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import * as multihash from 'multiformats/hashes/digest';

import {
  digestAlgorithm,
  digestBytes,
  digestFromBytes,
  type Digest,
  type DigestAlgorithm,
} from './digest.ts';
import { StorageError } from './errors.ts';

/** Multihash codes (multicodec table). */
const CODES = { sha256: 0x12, sha512: 0x13 } as const satisfies Record<DigestAlgorithm, number>;

/** The blob's CID version 1, codec raw: what an IPFS-style mirror calls the same bytes. */
export function digestToCid(digest: Digest): CID {
  const code = CODES[digestAlgorithm(digest)];
  return CID.createV1(raw.code, multihash.create(code, digestBytes(digest)));
}

/** The digest inside a raw CID. Throws `invalid_name` for another codec or hash function. */
export function digestFromCid(text: string): Digest {
  let cid: CID;
  try {
    cid = CID.parse(text);
  } catch (cause) {
    throw new StorageError(
      'invalid_name',
      `neither a digest nor a CID: ${JSON.stringify(text.slice(0, 200))}`,
      { cause },
    );
  }
  for (const algorithm of ['sha256', 'sha512'] as const) {
    if (cid.code === raw.code && cid.multihash.code === CODES[algorithm]) {
      return digestFromBytes(cid.multihash.digest, algorithm);
    }
  }
  throw new StorageError('invalid_name', `CID ${text} is not raw sha256 or sha512`);
}
