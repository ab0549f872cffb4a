import { describe, expect, it } from 'vitest';

import { digestFromCid, digestToCid } from '../../storage/cid.ts';
import { digestOf } from '../../storage/digest.ts';

describe('digests as CIDs', () => {
  it('names the same bytes as IPFS does', () => {
    // `ipfs add --cid-version 1 --raw-leaves` of the six bytes.
    const digest = digestOf(Buffer.from('hello\n'));
    expect(digestToCid(digest).toString()).toBe(
      'bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am',
    );
  });

  it.each(['sha256', 'sha512'] as const)('goes there and back for %s', (algorithm) => {
    const digest = digestOf(Buffer.from('rivulet'), algorithm);
    expect(digestFromCid(digestToCid(digest).toString())).toBe(digest);
  });

  it.each([
    ['no CID', 'latest'],
    // DAG-PB, not raw.
    ['another codec', 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'],
    ['version 0', 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n'],
  ])('refuses %s', (_, text) => {
    expect(() => digestFromCid(text)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });
});
