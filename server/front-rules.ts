import { BlockList, isIP } from 'node:net';

import type { FrontConfig } from './config.ts';
import { ServerError } from './errors.ts';

/**
 * Refuses to answer without rules of access beyond this machine, where whoever reaches the server
 * could change everything, and behind client certificates, which would tell nobody apart. Throws
 * `config` that says how to set the rules.
 */
export function refuseOpenDoors({ listen, access, tls }: FrontConfig): void {
  if (access !== undefined) return;
  if (tls?.clientCa !== undefined) {
    throw new ServerError(
      'config',
      'tls.clientCa asks for certificates, but without access rules everyone may do everything: set "access" in the --config file, such as access: { "cn:till-7": ["pull:**"] }',
    );
  }
  if (isLoopback(listen.host)) return;
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
