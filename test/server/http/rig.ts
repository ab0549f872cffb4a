import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { listen, type ListenOptions } from '../../../server/http/http-server.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { BlobStore } from '../../../storage/blob-store.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { createMemoryStore } from '../../../storage/drivers/memory.ts';

export type StoreKind = 'fs' | 'memory';

export interface OpenedStore {
  readonly blobs: BlobStore;
  /** The folder of the fs store. */
  readonly root: string;
  readonly remove: () => Promise<void>;
}

/** A blob store in a fresh folder, or in memory. */
export async function openStore(kind: StoreKind): Promise<OpenedStore> {
  const root = await mkdtemp(join(tmpdir(), 'rivulet-http-'));
  const objects = kind === 'fs' ? await openFsStore(root) : createMemoryStore();
  return {
    blobs: new BlobStore(objects),
    root,
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** A server on a free port of loopback. */
export function serve(
  options: Omit<ListenOptions, 'host' | 'port' | 'logger'> & Partial<Pick<ListenOptions, 'logger'>>,
) {
  return listen({ host: '127.0.0.1', port: 0, logger: createLogger('silent'), ...options });
}

/** Writes `text` over a fresh connection and returns all that comes back until it closes. */
export function rawRequest(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (part) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(Buffer.concat(parts).toString('latin1'));
    });
  });
}
