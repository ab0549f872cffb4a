import { AUDIT_SOURCES, type AuditCatalog } from './catalog/audit-catalog.ts';
import type { Digest } from './digest.ts';

/** Rows that share 63 digits of a digest: one, and some to spare. */
const NEIGHBOURS = 16;

/** True if a row promises the bytes of that digest. */
export async function isNamed(
  audit: Pick<AuditCatalog, 'expected'>,
  digest: Digest,
): Promise<boolean> {
  // Pages begin after a digest; cut by a digit, it sorts right before itself.
  const before = digest.slice(0, -1) as Digest;
  for (const source of AUDIT_SOURCES) {
    const rows = await audit.expected(source, before, NEIGHBOURS);
    if (rows.some((row) => row.digest === digest)) return true;
  }
  return false;
}
