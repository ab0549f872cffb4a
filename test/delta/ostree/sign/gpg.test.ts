import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  appendSignature,
  formatCommitmeta,
  parseCommitmeta,
  signaturesOf,
} from '../../../../delta/ostree/commitmeta.ts';
import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { GpgVerifier } from '../../../../delta/ostree/sign/gpg-verifier.ts';
import { gpgSigner } from '../../../../delta/ostree/sign/gpg-signer.ts';
import { faultOf, rejectionOf } from '../code-of.ts';
import { fillTree, OSTREE, RealRepo } from '../real-repo.ts';
import { GPG, GpgHome } from './gpg-home.ts';

describe.skipIf(GPG === undefined)('OpenPGP signatures', () => {
  const bytes = Buffer.from('the bytes of a commit');
  let home: GpgHome;
  let alice: string;
  let bob: string;

  beforeAll(() => {
    home = new GpgHome();
    alice = home.newKey('alice@example.org');
    bob = home.newKey('bob@example.org');
  });

  afterAll(() => {
    home.remove();
  });

  const signBy = (keyId: string): Promise<Uint8Array> =>
    gpgSigner({ keyId, homedir: home.path }).sign(bytes);

  it('are made and verified', async () => {
    const verifier = new GpgVerifier(home.publicKeys(alice));
    const byBob = await signBy(bob);
    const byAlice = await signBy(alice);
    expect(await verifier.verify(bytes, [byAlice])).toEqual({ kind: 'valid', key: alice });
    expect(await verifier.verify(bytes, [byBob, byAlice])).toEqual({ kind: 'valid', key: alice });
    const verdict = await verifier.verify(bytes, [byBob]);
    expect(verdict).toMatchObject({ kind: 'invalid' });
    expect(JSON.stringify(verdict)).toContain('ERRSIG');
  });

  it('are verified against armored keys, in several blocks', async () => {
    const armored = Buffer.concat([
      home.gpg('--armor', '--export', bob),
      home.gpg('--armor', '--export', alice),
    ]);
    const verifier = new GpgVerifier(armored);
    for (const key of [alice, bob]) {
      expect(await verifier.verify(bytes, [await signBy(key)])).toEqual({ kind: 'valid', key });
    }
  });

  it('count for nothing over other bytes, broken or absent', async () => {
    const keys = home.publicKeys();
    const good = await signBy(alice);
    const broken = Buffer.from(good);
    broken[broken.length - 5] = (broken[broken.length - 5] ?? 0) ^ 1;
    const verifier = new GpgVerifier(keys);
    expect(await verifier.verify(Buffer.from('other'), [good])).toMatchObject({ kind: 'invalid' });
    for (const signature of [
      broken,
      Buffer.alloc(0),
      Buffer.from('garbage'),
      Buffer.alloc(100, 0xff),
      good.subarray(0, 20),
    ]) {
      expect(await verifier.verify(bytes, [signature])).toMatchObject({ kind: 'invalid' });
    }
    expect(await verifier.verify(bytes, [])).toMatchObject({ kind: 'invalid' });
  });

  it('count for nothing by a key that has expired or was revoked', async () => {
    const then = '--faked-system-time=20200101T000000!';
    home.gpg(then, '--quick-generate-key', 'old@example.org', 'ed25519', 'sign', '1d');
    const byOld = home.sign(bytes, then, '--local-user', 'old@example.org', '--detach-sign');
    const verifier = new GpgVerifier(home.publicKeys());
    const expired = await verifier.verify(bytes, [byOld]);
    expect(expired).toMatchObject({ kind: 'invalid' });
    expect(JSON.stringify(expired)).toContain('EXPKEYSIG');

    const gone = home.newKey('gone@example.org');
    const byGone = await signBy(gone);
    home.revoke(gone);
    const revoked = await new GpgVerifier(home.publicKeys()).verify(bytes, [byGone]);
    expect(JSON.stringify(revoked)).toContain('REVKEYSIG');
  });

  it('that bring bytes of their own count for nothing', async () => {
    const signed = home.sign(Buffer.from('what she did sign'), '--local-user', alice, '--sign');
    const verifier = new GpgVerifier(home.publicKeys(alice));
    expect(await verifier.verify(bytes, [signed])).toMatchObject({ kind: 'invalid' });
  });

  it('by an unknown key can not be made', async () => {
    const fault = await rejectionOf(signBy('nobody@example.org'));
    expect(fault).toMatchObject({ code: 'unavailable' });
    expect(fault.message).toContain('nobody@example.org');
  });

  it('need keys to be verified', () => {
    expect(faultOf(() => new GpgVerifier(Buffer.from('no keys'))).code).toBe('bad_format');
    expect(faultOf(() => new GpgVerifier(Buffer.alloc(0))).code).toBe('bad_format');
    const armor =
      '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END PGP PUBLIC KEY BLOCK-----\n';
    expect(faultOf(() => new GpgVerifier(Buffer.from(armor))).code).toBe('bad_format');
  });

  it('can not be checked without gpgv', async () => {
    const verifier = new GpgVerifier(home.publicKeys(alice), '/nonexistent/gpgv');
    expect((await rejectionOf(verifier.verify(bytes, [bytes]))).code).toBe('unavailable');
  });

  describe.skipIf(OSTREE === undefined)('and the real ostree', () => {
    let repo: RealRepo;
    let commit: Checksum;

    beforeAll(() => {
      repo = new RealRepo('archive');
      fillTree(repo.tree);
      commit = repo.commit('main');
      repo.run('summary', '-u');
    });

    afterAll(() => {
      repo.remove();
    });

    const metaPath = (): string =>
      join(repo.path, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commitmeta`);

    /** Pulls with verification on, as a client that trusts one key. */
    const pull = (key: string, verifySummary: boolean): string => {
      const client = new RealRepo('bare-user');
      const keyFile = join(client.folder, 'key.gpg');
      writeFileSync(keyFile, home.publicKeys(key));
      try {
        client.run(
          'remote',
          'add',
          `--gpg-import=${keyFile}`,
          '--set=gpg-verify=true',
          `--set=gpg-verify-summary=${verifySummary}`,
          'origin',
          `file://${repo.path}`,
        );
        client.run('pull', 'origin', 'main');
        return client.run('rev-parse', 'main');
      } finally {
        client.remove();
      }
    };

    it('are accepted by a pull that verifies commit and summary', async () => {
      const signer = gpgSigner({ keyId: alice, homedir: home.path });
      const object = repo.object({ kind: 'commit', checksum: commit });
      const meta = appendSignature([], signer.kind, await signer.sign(object));
      writeFileSync(metaPath(), formatCommitmeta(meta));
      const summary = readFileSync(join(repo.path, 'summary'));
      const summarySig = appendSignature([], signer.kind, await signer.sign(summary));
      writeFileSync(join(repo.path, 'summary.sig'), formatCommitmeta(summarySig));
      expect(pull(alice, true)).toBe(commit);
      expect(() => pull(bob, true)).toThrow(/signature/i);
    });

    it('made by the command are kept when ours is added, and both are good', async () => {
      repo.run('gpg-sign', `--gpg-homedir=${home.path}`, commit, bob);
      const object = repo.object({ kind: 'commit', checksum: commit });
      const before = parseCommitmeta(readFileSync(metaPath()));
      const signatures = signaturesOf(before, 'ostree.gpgsigs');
      expect(signatures.length).toBe(2);
      for (const key of [alice, bob]) {
        const verifier = new GpgVerifier(home.publicKeys(key));
        expect(await verifier.verify(object, signatures)).toEqual({ kind: 'valid', key });
      }
      const carol = home.newKey('carol@example.org');
      const signer = gpgSigner({ keyId: carol, homedir: home.path });
      const after = appendSignature(before, signer.kind, await signer.sign(object));
      writeFileSync(metaPath(), formatCommitmeta(after));
      for (const key of [alice, bob, carol]) expect(pull(key, false)).toBe(commit);
    });
  });
});
