import { BlockList, isIP } from 'node:net';

import type { FrontConfig } from './config.ts';
import { ServerError } from './errors.ts';

/**
 * Refuses to answer beyond this machine without rules of access: whoever reaches the server could
 * change everything. Throws `config` that says how to set the rules.
 */
export function refuseOpenAddress({ listen, access }: FrontConfig): void {
  if (access !== undefined || isLoopback(listen.host)) return;
  throw new ServerError(
    'config',
    `without access rules only loopback addresses are served, and ${listen.host} is none: set "access" in the --config file, such as access: { anonymous: ["pull:**"], "token:ci": ["push:**"] }, or listen on 127.0.0.1`,
  );
}

/** True for 127.0.0.0/8, ::1 (also as IPv6 writes IPv4) and `localhost`; no name is looked up. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const [address = ''] = host.split('%', 1);
  const family = isIP(address);
  if (family === 0) return false;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
