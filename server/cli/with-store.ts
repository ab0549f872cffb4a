import type { Command } from 'commander';

import { loadServerConfig } from '../config-load.ts';
import type { ServerConfig } from '../config.ts';
import { openStore, type OpenedStore } from '../open-store.ts';

/** Flags of commands that work on the store itself, beside a running origin or without one. */
export interface StoreFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
}

/** Adds the flags of {@link StoreFlags}. */
export function addStoreFlags(command: Command): Command {
  return command
    .option('--data <dir>', 'folder of the store and the catalog (default ./rivulet-data)')
    .option('--config <file>', 'YAML or JSON settings; flags and RIVULET_* go before it')
    .option('--json', 'JSON lines on stdout instead of prose');
}

/** Opens the store that the flags name, for as long as the work takes. */
export async function withStore<T>(
  flags: StoreFlags,
  work: (store: OpenedStore, config: ServerConfig) => Promise<T>,
): Promise<T> {
  const { data, config: file } = flags;
  const config = await loadServerConfig({ flags: { data }, env: process.env, file });
  const store = await openStore(config);
  try {
    return await work(store, config);
  } finally {
    await store.close();
  }
}
