import { readFile } from 'node:fs/promises';

import { Ed25519Signer } from '../../../delta/ostree/sign/ed25519-signer.ts';
import { Ed25519Verifier } from '../../../delta/ostree/sign/ed25519-verifier.ts';
import { CommandSigner } from '../../../delta/ostree/sign/command-signer.ts';
import { gpgSigner } from '../../../delta/ostree/sign/gpg-signer.ts';
import { GpgVerifier } from '../../../delta/ostree/sign/gpg-verifier.ts';
import type { Signer } from '../../../delta/ostree/sign/signer.ts';
import type { Verifier } from '../../../delta/ostree/sign/verifier.ts';
import type { RepoName } from '../../../storage/names.ts';
import { matchesPattern } from '../../auth/name-pattern.ts';
import { ServerError } from '../../errors.ts';
import type { OstreeConfig, SignConfig, VerifyConfig } from './settings.ts';

/** Who signs in a repository, and whose signatures a ref needs. */
export interface SigningPolicy {
  readonly signers: readonly Signer[];
  /** One of them has to find a commit signed; none: any commit will do. */
  readonly verifiers: readonly Verifier[];
}

/** The signing rules of all repositories, keys in memory. */
export class SigningPolicies {
  readonly #rules: readonly (SigningPolicy & { readonly pattern: string })[];

  private constructor(rules: readonly (SigningPolicy & { readonly pattern: string })[]) {
    this.#rules = rules;
  }

  /** Reads the keys. Throws `config` that names the repository and the key it could not read. */
  static async load({
    repositories,
  }: Pick<OstreeConfig, 'repositories'>): Promise<SigningPolicies> {
    const rules = Object.entries(repositories).map(async ([pattern, { sign, requireSigned }]) => ({
      pattern,
      signers: await Promise.all(sign.map((key) => named(pattern, key.kind, openSigner(key)))),
      verifiers: await Promise.all(
        requireSigned.map((keys) => named(pattern, keys.kind, openVerifier(keys))),
      ),
    }));
    return new SigningPolicies(await Promise.all(rules));
  }

  /** What all rules that match the name say together. */
  of(repo: RepoName): SigningPolicy {
    const rules = this.#rules.filter(({ pattern }) => matchesPattern(pattern, repo));
    return {
      signers: rules.flatMap(({ signers }) => signers),
      verifiers: rules.flatMap(({ verifiers }) => verifiers),
    };
  }
}

async function openSigner(key: SignConfig): Promise<Signer> {
  switch (key.kind) {
    case 'ed25519':
      return Ed25519Signer.fromKeyFile(await readFile(key.keyFile, 'utf8'));
    case 'gpg':
      return gpgSigner(key);
    case 'command':
      return new CommandSigner(key.signature, key.command);
  }
}

async function openVerifier(keys: VerifyConfig): Promise<Verifier> {
  switch (keys.kind) {
    case 'ed25519':
      return Ed25519Verifier.fromKeyFile(keys.keys.join('\n'));
    case 'gpg':
      return new GpgVerifier(await readFile(keys.keyring));
  }
}

async function named<T>(pattern: string, kind: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (cause) {
    throw new ServerError(
      'config',
      `ostree.repositories.${pattern}: the ${kind} key can't be used: ${String(cause)}`,
      { cause },
    );
  }
}
