import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import { errnoOf } from '../../storage/durable.ts';
import type { TlsConfig } from '../config.ts';
import { ServerError } from '../errors.ts';

/** The files of one moment, checked: the key fits the certificate. */
export interface TlsFiles {
  /** PEM: the server's certificate, then those that lead to its root. */
  readonly cert: string;
  readonly key: string;
  /** PEM: who may sign client certificates. */
  readonly clientCa: string | undefined;
  /** The same, one by one: their fingerprints. */
  readonly authorities: ReadonlySet<string>;
  /** When the server's certificate runs out, in ms since 1970. */
  readonly notAfterMs: number;
}

const MAX_BYTES = 4 * 1024 * 1024;
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads the files. Throws `ServerError` `config` that names the file, its fault and what to do. */
export async function readTlsFiles(config: TlsConfig): Promise<TlsFiles> {
  const cert = await readText(config.cert, 'tls.cert');
  const key = await readText(config.key, 'tls.key');
  const [leaf] = parseCertificates(cert, config.cert, 'tls.cert');
  if (!leaf.checkPrivateKey(parseKey(key, config.key))) {
    throw new ServerError(
      'config',
      `tls.key ${config.key} is not the key of the certificate in ${config.cert}: give the two that were made together, the server's own certificate first in its file`,
    );
  }
  const { clientCa: path } = config;
  const clientCa = path === undefined ? undefined : await readText(path, 'tls.clientCa');
  const authorities =
    path === undefined ? [] : parseCertificates(clientCa ?? '', path, 'tls.clientCa');
  checkUsable(config, { cert, key, ...(clientCa !== undefined && { ca: clientCa }) });
  return {
    cert,
    key,
    clientCa,
    authorities: new Set(authorities.map(({ fingerprint256 }) => fingerprint256)),
    notAfterMs: Date.parse(leaf.validTo),
  };
}

/**
 * A text that changes whenever one of the files may have: links are followed, so that a folder
 * swapped behind a link counts (so Kubernetes replaces mounted secrets).
 */
export async function identifyTlsFiles(config: TlsConfig): Promise<string> {
  const paths = [config.cert, config.key, config.clientCa];
  const parts = paths.map(async (path) => {
    if (path === undefined) return '';
    try {
      const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs].join(':');
    } catch (error) {
      return errnoOf(error) ?? 'unknown';
    }
  });
  return (await Promise.all(parts)).join(' ');
}

/** What OpenSSL itself refuses, such as a key that is too short. */
function checkUsable(config: TlsConfig, pem: SecureContextOptions): void {
  try {
    createSecureContext(pem);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ServerError(
      'config',
      `tls.cert ${config.cert} and tls.key ${config.key} cannot be used: ${why}; make them anew`,
      { cause },
    );
  }
}

async function readText(path: string, setting: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'there is no such file' : String(cause);
    throw new ServerError('config', `cannot read ${setting} ${path}: ${why}; name a PEM file`, {
      cause,
    });
  }
  if (bytes.length > MAX_BYTES) {
    throw new ServerError(
      'config',
      `${setting} ${path} has ${bytes.length} bytes: a PEM file has at most ${MAX_BYTES}`,
    );
  }
  return bytes.toString('latin1');
}

/** All certificates of a PEM text, each parsed; at least one. */
function parseCertificates(
  text: string,
  path: string,
  setting: string,
): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(CERTIFICATES) ?? [];
  const certificates = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new ServerError(
        'config',
        `${setting} ${path}: certificate ${index + 1} of ${blocks.length} cannot be read; write it again as PEM`,
        { cause },
      );
    }
  });
  const [first, ...rest] = certificates;
  if (first !== undefined) return [first, ...rest];
  throw new ServerError(
    'config',
    `${setting} ${path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)`,
  );
}

function parseKey(text: string, path: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw new ServerError(
      'config',
      `tls.key ${path} is encrypted: give a key without a passphrase, readable by the server only`,
    );
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new ServerError(
      'config',
      `tls.key ${path} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)`,
      { cause },
    );
  }
}
