import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { Authority, type Pair } from '../server/tls/authority.ts';
import { startClientRig, type ClientRig } from './client-rig.ts';

/** An origin over TLS and the authority that signed its certificate. */
export interface TlsRig extends ClientRig {
  readonly authority: Authority;
  /** The files that the origin reads. */
  readonly server: Pair;
  /** A folder as skopeo, podman and buildah want it; its path. */
  readonly certDir: (name: string, client?: Pair) => Promise<string>;
}

export interface TlsRigOptions {
  readonly access?: Readonly<Record<string, readonly string[]>>;
  /** Asks for client certificates of the same authority. */
  readonly asksClients?: boolean;
}

export async function startTlsRig(name: string, options: TlsRigOptions = {}): Promise<TlsRig> {
  const { access, asksClients = false } = options;
  let made: { readonly authority: Authority; readonly server: Pair } | undefined;
  const rig = await startClientRig(name, access, (dir) => {
    const authority = new Authority(dir, 'authority');
    const server = authority.server();
    made = { authority, server };
    const clientCa = asksClients ? authority.certFile : undefined;
    return { cert: server.certFile, key: server.keyFile, clientCa };
  });
  if (made === undefined) throw new Error('the rig did not ask for certificates');
  const { authority, server } = made;
  return {
    ...rig,
    authority,
    server,
    async certDir(folder, client) {
      const path = join(rig.dir, folder);
      await mkdir(path);
      await copyFile(authority.certFile, join(path, 'ca.crt'));
      if (client === undefined) return path;
      await copyFile(client.certFile, join(path, 'client.cert'));
      await copyFile(client.keyFile, join(path, 'client.key'));
      return path;
    },
  };
}
