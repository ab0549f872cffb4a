import { errnoOf } from '../../storage/durable.ts';

/** OpenSSL's and Node's codes for a server's certificate that nobody known has signed. */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * What a client should be told of a fault of TLS, with what to do; undefined for any other fault.
 * Codes: the X509_V_ERR_* of OpenSSL's verification, and `ERR_TLS_*`, `ERR_SSL_*` of Node.
 */
export function tlsFault(cause: unknown): string | undefined {
  const code = errnoOf(cause) ?? '';
  if (UNKNOWN_ISSUER.has(code)) {
    return `no authority known here has signed its certificate (${code}): set NODE_EXTRA_CA_CERTS to a PEM file of the authority that did`;
  }
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `its certificate has expired (${code}): have it renewed, or set this clock right`;
    case 'CERT_NOT_YET_VALID':
      return `its certificate is not valid yet (${code}): set this clock right`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `its certificate is for another name (${code}): use one of the names that it holds`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `it does not speak TLS there (${code}): use http:// if that is meant`;
    default:
      return undefined;
  }
}
