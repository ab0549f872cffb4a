import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';

import { runTool, type Tool } from '../tools.ts';

/** Every client of the bench offers this and nothing else, so that every server speaks the same. */
export const TLS_VERSION = 'TLSv1.3';
export const TLS_CIPHER = 'TLS_AES_256_GCM_SHA384';

/** One certificate for all the servers, signed by itself. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate (ECDSA on P-256) for the loopback address. */
export async function makeCertificate(openssl: Tool, dir: string): Promise<TlsFiles> {
  await mkdir(dir, { recursive: true });
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  await runTool(openssl.path, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', files.key, '-out', files.cert],
  ]);
  return files;
}

/** What a client has to know to speak TLS with the servers of the bench. */
export async function tlsClientOptions(files: TlsFiles): Promise<{
  readonly ca: Buffer;
  readonly minVersion: typeof TLS_VERSION;
  readonly ciphers: string;
}> {
  return { ca: await readFile(files.cert), minVersion: TLS_VERSION, ciphers: TLS_CIPHER };
}

/** The version and the cipher that a server agrees on with the bench's clients. */
export async function negotiated(url: string, files: TlsFiles): Promise<string> {
  const { hostname, port } = new URL(url);
  const options = await tlsClientOptions(files);
  const socket = connect({ host: hostname, port: Number(port), ...options });
  try {
    await once(socket, 'secureConnect');
    return `${socket.getProtocol() ?? 'unknown'} ${socket.getCipher().name}`;
  } finally {
    socket.destroy();
  }
}
