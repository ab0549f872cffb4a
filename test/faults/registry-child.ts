import { join } from 'node:path';

import { createLogger } from '../../server/observe/logger.ts';
import { createRegistry } from '../../server/oci/registry.ts';
import type { StoreLocation } from '../../server/open-store.ts';
import { listen } from '../../server/http/http-server.ts';
import { BlobStore } from '../../storage/blob-store.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { countedCatalog, countedStore, Steps } from './counted-writes.ts';

/** What the parent wants: where the store is, and at which write step the process is to die. */
export interface RegistryChildOptions extends StoreLocation {
  /** From 1; 0 is never. */
  readonly killAt: number;
}

/** A registry in a process of its own, that kills itself at a given step between two writes. */
async function main({ data, store, killAt }: RegistryChildOptions): Promise<void> {
  const steps = new Steps(killAt);
  const objects = countedStore(await openObjects(data, store), steps);
  const path = join(data, 'catalog.sqlite');
  const catalog = countedCatalog(await openSqliteCatalog(path, Date.now), steps);
  const clock = Date.now;
  const registry = createRegistry({
    blobs: new BlobStore(objects),
    catalog,
    uploads: new UploadService({ objects, catalog, clock }),
    clock,
    logger: createLogger('silent'),
  });
  const server = await listen({
    routes: [registry],
    host: '127.0.0.1',
    port: 0,
    logger: createLogger('silent'),
  });
  process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
}

async function openObjects(data: string, store: StoreLocation['store']): Promise<ObjectStore> {
  if (store.kind === 'fs') return openFsStore(join(data, 'store'));
  // Only where it is needed: its client takes a while to load.
  const { openS3Store } = await import('../../storage/drivers/s3.ts');
  return openS3Store(store);
}

await main(JSON.parse(process.argv[2] ?? '') as RegistryChildOptions);
