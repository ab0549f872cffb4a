import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  formatCommitmeta,
  parseCommitmeta,
  signaturesOf,
} from '../../../delta/ostree/commitmeta.ts';
import { issuerOf } from '../../../delta/ostree/sign/openpgp-issuer.ts';
import { mergeCommitmeta, type SameKey } from '../../../server/ostree/signing/merge-commitmeta.ts';
import { GPG, GpgHome } from '../../delta/ostree/sign/gpg-home.ts';

const metaOf = (...value: readonly Uint8Array[]) =>
  formatCommitmeta([['ostree.gpgsigs', { type: 'aay', value }]]);

describe.skipIf(GPG === undefined)('signatures by one OpenPGP key', () => {
  const bytes = Buffer.from('the bytes of a commit');
  let home: GpgHome;
  let alice: string;
  let [old, young, byBob]: Buffer[] = [];

  beforeAll(() => {
    home = new GpgHome();
    alice = home.newKey('alice@example.org');
    home.newKey('bob@example.org');
    const sign = (user: string, time: string) =>
      home.sign(bytes, `--faked-system-time=${time}!`, '--local-user', user, '--detach-sign');
    old = sign('alice@example.org', '20400101T000000');
    young = sign('alice@example.org', '20400101T000001');
    byBob = sign('bob@example.org', '20400101T000000');
  });
  afterAll(() => {
    home.remove();
  });

  it('tell the key', () => {
    expect(issuerOf(old ?? bytes)).toBe(alice.toLowerCase());
    expect(issuerOf(young ?? bytes)).toBe(alice.toLowerCase());
    expect(issuerOf(byBob ?? bytes)).toMatch(/^[0-9a-f]{40}$/);
    expect(issuerOf(byBob ?? bytes)).not.toBe(alice.toLowerCase());
  });

  it('tell none where they are cut off, several or something else', () => {
    const whole = old ?? bytes;
    for (let length = 0; length < whole.length; length += 1) {
      expect(issuerOf(whole.subarray(0, length))).toBeUndefined();
    }
    expect(issuerOf(Buffer.concat([whole, whole]))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(120), (noise, at) => {
        const broken = Buffer.from(whole);
        broken.set(noise.subarray(0, Math.max(0, broken.length - at)), at);
        const issuer = issuerOf(broken);
        expect(issuer === undefined || /^([0-9a-f]{2})*$/.test(issuer)).toBe(true);
      }),
    );
  });

  it.each<[SameKey, string]>([
    ['both', 'old bob young'],
    ['older', 'old bob'],
    ['newer', 'bob young'],
  ])('%s stay', (sameKey, kept) => {
    const [one, two, bob] = [old ?? bytes, young ?? bytes, byBob ?? bytes];
    const merged = parseCommitmeta(mergeCommitmeta(metaOf(one, bob), metaOf(two), sameKey));
    const names = new Map([one, two, bob].map((value, at) => [value.toString('hex'), at]));
    const stay = signaturesOf(merged, 'ostree.gpgsigs').map(
      (value) => ['old', 'young', 'bob'][names.get(Buffer.from(value).toString('hex')) ?? -1],
    );
    expect(stay.join(' ')).toBe(kept);
  });
});
