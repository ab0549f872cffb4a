import type { Digest } from '../digest.ts';

/** Rows that name bytes; `child` is what a manifest names. */
export const AUDIT_SOURCES = ['manifest', 'child', 'blob', 'delta', 'pack', 'index'] as const;
export type AuditSource = (typeof AUDIT_SOURCES)[number];

export interface AuditCatalog {
  /** Digests that rows of a kind name, with the size they state; ascending, each once, after `after`. */
  expected(
    source: AuditSource,
    after: Digest | undefined,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly size?: number | undefined }[]>;
  /** What stops working without that blob, in words (`tag fleet/app:stable`): tags first, at most `limit`. */
  affected(digest: Digest, limit: number): Promise<readonly string[]>;
}
