import { digestFromCid } from '../../storage/cid.ts';
import { parseDigest, type Digest } from '../../storage/digest.ts';

/** What a URL calls a blob: its digest, or the CID of the same digest. Throws `invalid_name`. */
export function readBlobName(text: string): Digest {
  return text.includes(':') ? parseDigest(text) : digestFromCid(text);
}
