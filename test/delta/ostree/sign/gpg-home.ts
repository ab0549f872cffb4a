import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { needTool } from '../../../clients/require.ts';

/** The real gpg and gpgv, where both are installed. */
export const GPG = needTool('gpgv') === undefined ? undefined : needTool('gpg');

/** A folder of GnuPG's with keys. `remove` it. */
export class GpgHome {
  /** Short, since the agent's socket is in it. */
  readonly path = mkdtempSync(join(tmpdir(), 'rv-gpg-'));

  gpg(...args: readonly string[]): Buffer {
    return execFileSync(
      GPG ?? '',
      ['--homedir', this.path, '--batch', '--quiet', '--no-tty', '--passphrase', '', ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
  }

  /** Makes a key that can only sign; gives its fingerprint. */
  newKey(user: string, expires = 'never'): string {
    this.gpg('--quick-generate-key', user, 'ed25519', 'sign', expires);
    const listed = this.gpg('--with-colons', '--list-keys', user).toString();
    return /^fpr:+([0-9A-F]+):/m.exec(listed)?.[1] ?? '';
  }

  publicKeys(...users: readonly string[]): Buffer {
    return this.gpg('--export', ...users);
  }

  /** What gpg writes when it signs bytes with those arguments. */
  sign(bytes: Uint8Array, ...args: readonly string[]): Buffer {
    return execFileSync(GPG ?? '', ['--homedir', this.path, '--batch', '--quiet', ...args], {
      input: bytes,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  }

  /** Imports the certificate that gpg made with the key, which has a colon against accidents. */
  revoke(fingerprint: string): void {
    const path = join(this.path, 'openpgp-revocs.d', `${fingerprint}.rev`);
    writeFileSync(path, readFileSync(path, 'utf8').replace(':-----BEGIN', '-----BEGIN'));
    this.gpg('--import', path);
  }

  remove(): void {
    execFileSync('gpgconf', ['--homedir', this.path, '--kill', 'all'], { stdio: 'ignore' });
    rmSync(this.path, { recursive: true, force: true });
  }
}
