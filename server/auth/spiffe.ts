import type { CertificateFields } from './certificate-fields.ts';

/** A SPIFFE ID (SPIFFE-ID, 2): a trust domain, then a path whose parts are neither empty nor dots. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;
const MAX_BYTES = 2048;

/**
 * What is wrong with a certificate that names a SPIFFE ID, by the rules of X.509-SVID (2 to 5) for a
 * leaf; undefined when nothing is, or when it names none.
 */
export function spiffeFault(fields: CertificateFields): string | undefined {
  const { uris } = fields;
  const id = uris.find((uri) => /^spiffe:/i.test(uri));
  if (id === undefined) return undefined;
  if (uris.length > 1) return 'it names a SPIFFE ID and other URIs: an SVID has exactly one URI';
  if (id.length > MAX_BYTES || !SPIFFE_ID.test(id)) {
    return 'its SPIFFE ID is not spiffe://TRUST-DOMAIN/PATH';
  }
  if (fields.isAuthority) return 'it is an authority: an SVID that identifies a workload is none';
  if (fields.maySign) return 'its key usage has keyCertSign or cRLSign: an SVID may not sign';
  return undefined;
}
