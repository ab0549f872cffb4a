import { CommandSigner } from './command-signer.ts';

export interface GpgKey {
  /** As `gpg --local-user` takes it: best the whole fingerprint. */
  readonly keyId: string;
  /** GnuPG's folder; its own default when absent. */
  readonly homedir?: string | undefined;
  /** The program; `gpg` when absent. */
  readonly program?: string | undefined;
}

/** Signs by GnuPG, whose agent holds the key: one with a passphrase must be unlocked there. */
export function gpgSigner({ keyId, homedir, program = 'gpg' }: GpgKey): CommandSigner {
  return new CommandSigner('ostree.gpgsigs', [
    program,
    '--batch',
    '--no-tty',
    '--quiet',
    '--no-armor',
    ...(homedir === undefined ? [] : ['--homedir', homedir]),
    '--local-user',
    keyId,
    '--output',
    '-',
    '--detach-sign',
  ]);
}
