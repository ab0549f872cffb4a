import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  formatPublicKey,
  parsePublicKeys,
  parseSecretKey,
} from '../../../../delta/ostree/sign/ed25519-keys.ts';
import { Ed25519Signer } from '../../../../delta/ostree/sign/ed25519-signer.ts';
import { Ed25519Verifier } from '../../../../delta/ostree/sign/ed25519-verifier.ts';
import { needTool } from '../../../clients/require.ts';
import { faultOf, rejectionOf } from '../code-of.ts';

/** RFC 8032, section 7.1, test 2. */
const SEED = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
const PUBLIC = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
  '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';

const base64 = (...hex: readonly string[]): string =>
  Buffer.from(hex.join(''), 'hex').toString('base64');
const SECRET_FILE = `${base64(SEED, PUBLIC)}\n`;
const PUBLIC_FILE = `${base64(PUBLIC)}\n`;
const OPENSSL = needTool('openssl');

function otherPublicKey(): string {
  return formatPublicKey(generateKeyPairSync('ed25519').publicKey);
}

describe('ed25519', () => {
  it('signs as RFC 8032 says, and as libostree expects', async () => {
    const signature = await Ed25519Signer.fromKeyFile(SECRET_FILE).sign(Buffer.of(0x72));
    expect(Buffer.from(signature).toString('hex')).toBe(SIGNATURE);
    expect(formatPublicKey(parseSecretKey(SECRET_FILE))).toBe(PUBLIC_FILE.trim());
  });

  it('signs nothing for a caller that gave up', async () => {
    const run = Ed25519Signer.fromKeyFile(SECRET_FILE).sign(Buffer.of(1), {
      signal: AbortSignal.abort(),
    });
    expect((await rejectionOf(run)).code).toBe('aborted');
  });

  it('accepts one good signature by any of its keys', async () => {
    const verifier = Ed25519Verifier.fromKeyFile(`${otherPublicKey()}\n\n${PUBLIC_FILE}`);
    const good = Buffer.from(SIGNATURE, 'hex');
    const verdict = await verifier.verify(Buffer.of(0x72), [Buffer.alloc(64), Buffer.of(1), good]);
    expect(verdict).toEqual({ kind: 'valid', key: PUBLIC_FILE.trim() });
  });

  it('accepts nothing else', async () => {
    const good = Buffer.from(SIGNATURE, 'hex');
    const verifier = Ed25519Verifier.fromKeyFile(PUBLIC_FILE);
    expect(await verifier.verify(Buffer.of(0x73), [good])).toMatchObject({ kind: 'invalid' });
    expect(await verifier.verify(Buffer.of(0x72), [])).toMatchObject({ kind: 'invalid' });
    expect(await verifier.verify(Buffer.of(0x72), [good.subarray(1)])).toMatchObject({
      kind: 'invalid',
    });
    const other = Ed25519Verifier.fromKeyFile(otherPublicKey());
    expect(await other.verify(Buffer.of(0x72), [good])).toMatchObject({ kind: 'invalid' });
    expect(await Ed25519Verifier.fromKeyFile('').verify(Buffer.of(0x72), [good])).toMatchObject({
      kind: 'invalid',
    });
  });

  it.each([
    ['a public key', PUBLIC_FILE],
    ['nothing', ''],
    ['two keys', SECRET_FILE + SECRET_FILE],
    ['halves that do not belong together', base64(SEED, SEED)],
    ['no base64', `${SECRET_FILE.trim()}!`],
    ['too much', '\n'.repeat(2_000_000)],
  ])('takes no secret key from %s, and tells nothing of it', (_what, text) => {
    const fault = faultOf(() => parseSecretKey(text));
    expect(fault.code).toBe('bad_format');
    expect(fault.message).not.toContain(SECRET_FILE.slice(0, 20));
  });

  it.each([SECRET_FILE, 'x', base64(PUBLIC, '00'), `${PUBLIC_FILE}-`])(
    'takes no public key from %j',
    (text) => {
      expect(faultOf(() => parsePublicKeys(text)).code).toBe('bad_format');
    },
  );

  it.skipIf(OPENSSL === undefined)('is verified by OpenSSL', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rivulet-ed25519-'));
    try {
      const file = (name: string, content: Uint8Array | string): string => {
        writeFileSync(join(folder, name), content);
        return join(folder, name);
      };
      const bytes = Buffer.from('a commit');
      const signature = await Ed25519Signer.fromKeyFile(SECRET_FILE).sign(bytes);
      const key = createPublicKey(parseSecretKey(SECRET_FILE));
      const output = execFileSync(OPENSSL ?? '', [
        'pkeyutl',
        '-verify',
        '-rawin',
        '-pubin',
        '-inkey',
        file('key.pem', key.export({ format: 'pem', type: 'spki' })),
        '-in',
        file('data', bytes),
        '-sigfile',
        file('signature', signature),
      ]);
      expect(output.toString()).toContain('Verified Successfully');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
