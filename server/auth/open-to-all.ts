import type { FrontConfig } from '../config.ts';
import { allowsAll } from './grants.ts';

/** True where anyone may read everything, and nobody is told apart by a certificate. */
export function isOpenToAll({ access, tls }: Pick<FrontConfig, 'access' | 'tls'>): boolean {
  if (tls?.clientCa !== undefined) return false;
  return access === undefined || allowsAll(access['anonymous'] ?? []);
}
