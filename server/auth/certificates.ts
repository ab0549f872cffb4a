import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';

import type { Clock } from '../../storage/clock.ts';
import type { Exchange } from '../http/exchange.ts';
import type { TlsMaterial } from '../http/tls.ts';
import { readCertificate, type CertificateFields } from './certificate-fields.ts';
import { spiffeFault } from './spiffe.ts';

/**
 * The names of the caller's certificate: `uri:...`, `dns:...`, `cn:...`, in this order; none when it
 * showed none. `refused` says why the certificate does not count.
 */
export type CertificateNames = (x: Exchange) => readonly string[] | { readonly refused: string };

export interface CertificateOptions {
  readonly tls: Pick<TlsMaterial, 'isCurrent'>;
  readonly clock: Clock;
}

/** What one connection showed, once and for all. */
type Shown =
  | { readonly kind: 'none' }
  | { readonly kind: 'bad'; readonly why: string }
  | {
      readonly kind: 'names';
      readonly names: readonly string[];
      /** Of every certificate up to the root, as far as they are known. */
      readonly notBeforeMs: number;
      readonly notAfterMs: number;
    };

const NONE: readonly string[] = [];
const MAX_CHAIN = 16;

/**
 * Reads who a client is from its certificate. What the handshake found is remembered for the
 * connection; whether the certificate is within its time, and its authorities still hold, is asked
 * for every request. Once an authority is removed, every connection that showed a certificate ends with
 * its running answer, and is verified anew when it comes back.
 */
export function createCertificateNames({ tls, clock }: CertificateOptions): CertificateNames {
  const shown = new WeakMap<TLSSocket, Shown>();
  return (x) => {
    const { socket } = x.req;
    if (!(socket instanceof TLSSocket)) return NONE;
    let facts = shown.get(socket);
    if (facts === undefined) {
      facts = lookAt(socket);
      shown.set(socket, facts);
    }
    if (facts.kind === 'none') return NONE;
    if (!tls.isCurrent(socket)) {
      closeAfter(x);
      return refused('the authorities changed after this connection was made; connect again');
    }
    if (facts.kind === 'bad') {
      closeAfter(x);
      return refused(facts.why);
    }
    x.res.once('finish', () => {
      if (!tls.isCurrent(socket)) socket.end();
    });
    if (clock() > facts.notAfterMs) return refused('it has expired; renew it and connect again');
    if (clock() < facts.notBeforeMs) return refused('it is not valid yet; check the clocks');
    return facts.names;
  };
}

function refused(why: string): { readonly refused: string } {
  return { refused: `the client certificate does not count: ${why}` };
}

/** A verdict of the handshake stands as long as the connection: another one may find otherwise. */
function closeAfter(x: Exchange): void {
  if (!x.res.headersSent) x.res.setHeader('Connection', 'close');
}

function lookAt(socket: TLSSocket): Shown {
  const certificate = socket.getPeerX509Certificate();
  // A resumed session without any certificate counts as authorized for Node (TLS 1.3).
  if (certificate === undefined) return { kind: 'none' };
  if (!socket.authorized) return { kind: 'bad', why: explain(socket.authorizationError) };
  try {
    return read(certificate);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { kind: 'bad', why: 'it cannot be read' };
  }
}

function read(certificate: X509Certificate): Shown {
  const fields = readCertificate(certificate.raw);
  const fault = spiffeFault(fields);
  if (fault !== undefined) return { kind: 'bad', why: fault };
  const names = [
    ...fields.uris.map((uri) => `uri:${uri}`),
    ...fields.dnsNames.map((name) => `dns:${name}`),
    ...fields.commonNames.map((name) => `cn:${name}`),
  ];
  return { kind: 'names', names, ...validityOf(certificate, fields) };
}

/** The time in which the whole chain is valid; a resumed session knows the client's own only. */
function validityOf(
  certificate: X509Certificate,
  leaf: CertificateFields,
): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  let { notBeforeMs, notAfterMs } = leaf;
  let issuer = certificate.issuerCertificate;
  for (let depth = 0; issuer !== undefined && depth < MAX_CHAIN; depth += 1) {
    const fields = readCertificate(issuer.raw);
    notBeforeMs = Math.max(notBeforeMs, fields.notBeforeMs);
    notAfterMs = Math.min(notAfterMs, fields.notAfterMs);
    issuer = issuer.issuerCertificate;
  }
  return { notBeforeMs, notAfterMs };
}

/** OpenSSL's verdict, as Node gives it: the name of its code. */
function explain(error: unknown): string {
  const code = String(error);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'it, or one that it depends on, has expired; renew it';
    case 'CERT_NOT_YET_VALID':
      return 'it, or one that it depends on, is not valid yet; check the clocks';
    case 'INVALID_PURPOSE':
      return 'its extended key usage does not let it stand for a client';
    case 'CERT_REVOKED':
      return 'it is revoked';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `no authority that this server trusts has signed it (${code})`;
    default:
      return code;
  }
}
