import { StorageError } from '../../../storage/errors.ts';
import type { SignatureKind } from '../commitmeta.ts';
import { runCommand, type Argv } from './run-command.ts';
import { checkSignature, type Signer, type SignOptions } from './signer.ts';

/** Bytes of one signature: OpenPGP's are a few hundred, with certificates some thousands. */
const MAX_SIGNATURE_BYTES = 1024 * 1024;

/**
 * Signs by a command, so that the key can live in an HSM, a TPM or another machine: the bytes come on
 * its standard input, the raw signature is what it writes, and it must exit with 0.
 */
export class CommandSigner implements Signer {
  readonly kind: SignatureKind;
  readonly #argv: Argv;

  constructor(kind: SignatureKind, argv: Argv) {
    this.kind = kind;
    this.#argv = argv;
  }

  async sign(bytes: Uint8Array, { signal }: SignOptions = {}): Promise<Uint8Array> {
    const result = await runCommand(this.#argv, {
      input: bytes,
      maxOutputBytes: MAX_SIGNATURE_BYTES,
      signal,
    });
    const [program] = this.#argv;
    if (result.exitCode !== 0) {
      throw new StorageError(
        'unavailable',
        `the signing command ${program} failed (${result.exitCode ?? 'killed'}): ${result.stderr}`,
      );
    }
    checkSignature(this.kind, result.stdout, `the signing command ${program}`);
    return result.stdout;
  }
}
