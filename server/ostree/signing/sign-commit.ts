import {
  appendSignature,
  formatCommitmeta,
  parseCommitmeta,
  signaturesOf,
} from '../../../delta/ostree/commitmeta.ts';
import type { DictionaryEntry } from '../../../delta/ostree/gvariant/dictionary.ts';
import type { Signer } from '../../../delta/ostree/sign/signer.ts';
import type { Verifier } from '../../../delta/ostree/sign/verifier.ts';
import type { IoOptions } from '../../../storage/object-store.ts';

/** An `a{sv}` with a signature of each signer: what goes into a commitmeta, and a `summary.sig`. */
export async function signBytes(
  signers: readonly Signer[],
  bytes: Uint8Array,
  options: IoOptions = {},
): Promise<Buffer> {
  let entries: readonly DictionaryEntry[] = [];
  for (const signer of signers) {
    entries = appendSignature(entries, signer.kind, await signer.sign(bytes, options));
  }
  return formatCommitmeta(entries);
}

/** Why none of the verifiers finds the bytes signed; undefined when one does. */
export async function whyUnsigned(
  verifiers: readonly Verifier[],
  bytes: Uint8Array,
  commitmeta: Uint8Array | undefined,
  options: IoOptions = {},
): Promise<string | undefined> {
  const entries = commitmeta === undefined ? [] : parseCommitmeta(commitmeta);
  const reasons: string[] = [];
  for (const verifier of verifiers) {
    const signatures = signaturesOf(entries, verifier.kind);
    const verdict = await verifier.verify(bytes, signatures, options);
    if (verdict.kind === 'valid') return undefined;
    reasons.push(verdict.reason);
  }
  return reasons.join('; ');
}
