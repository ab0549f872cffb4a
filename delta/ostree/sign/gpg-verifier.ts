import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StorageError } from '../../../storage/errors.ts';
import { dearmorKeys } from './dearmor.ts';
import { runCommand } from './run-command.ts';
import type { SignOptions } from './signer.ts';
import { MAX_SIGNATURES, type Verdict, type Verifier } from './verifier.ts';

/** Bytes of status lines. */
const MAX_STATUS_BYTES = 256 * 1024;

const STATUS_PREFIX = '[GNUPG:] ';

interface Answer {
  /** Its status lines, without their prefix (GnuPG's doc/DETAILS). */
  readonly status: readonly string[];
  readonly stderr: string;
}

/** Checks OpenPGP signatures by `gpgv` against a keyring, all of whose keys are trusted. */
export class GpgVerifier implements Verifier {
  readonly kind = 'ostree.gpgsigs';
  readonly #keyring: Buffer;
  readonly #program: string;

  /** `keyring` holds public keys as `gpg --export` writes them, armored or not. Throws `bad_format`. */
  constructor(keyring: Uint8Array, program = 'gpgv') {
    this.#keyring = dearmorKeys(keyring);
    this.#program = program;
  }

  async verify(
    bytes: Uint8Array,
    signatures: readonly Uint8Array[],
    { signal }: SignOptions = {},
  ): Promise<Verdict> {
    const folder = await mkdtemp(join(tmpdir(), 'rivulet-gpgv-'));
    try {
      const keyring = join(folder, 'keyring.gpg');
      await writeFile(keyring, this.#keyring);
      const reasons: string[] = [];
      for (const signature of signatures.slice(0, MAX_SIGNATURES)) {
        const file = join(folder, 'signature');
        await writeFile(file, signature);
        const { status, stderr } = await this.#run(folder, keyring, file, bytes, signal);
        const key = goodKey(status);
        if (key !== undefined) return { kind: 'valid', key };
        reasons.push(status.find((line) => /^(?:BAD|ERR|EXP|REV|NODATA)/.test(line)) ?? stderr);
      }
      const seen = reasons.slice(0, 3).join('; ');
      return {
        kind: 'invalid',
        reason: `none of ${signatures.length} OpenPGP signatures is good (${seen})`,
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #run(
    homedir: string,
    keyring: string,
    signature: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { exitCode, stdout, stderr } = await runCommand(
      [
        this.#program,
        '--homedir',
        homedir,
        '--keyring',
        keyring,
        '--status-fd',
        '1',
        signature,
        '-',
      ],
      { input: bytes, maxOutputBytes: MAX_STATUS_BYTES, signal },
    );
    // 1 is a bad signature, 2 what is none.
    if (exitCode === undefined || exitCode > 2) {
      throw new StorageError(
        'unavailable',
        `${this.#program} failed (${exitCode ?? 'killed'}): ${stderr}`,
      );
    }
    const lines = stdout.toString('utf8').split('\n');
    const status = lines.flatMap((line) =>
      line.startsWith(STATUS_PREFIX) ? [line.slice(STATUS_PREFIX.length)] : [],
    );
    return { status, stderr };
  }
}

/**
 * The fingerprint of a good signature's key. GOODSIG stands alone for those by keys that neither
 * expired nor were revoked; the VALIDSIG after it tells the whole fingerprint.
 */
function goodKey(status: readonly string[]): string | undefined {
  const good = status.findIndex((line) => line.startsWith('GOODSIG '));
  if (good < 0) return undefined;
  const valid = status.slice(good).find((line) => line.startsWith('VALIDSIG '));
  return valid?.split(' ')[1];
}
