import type { Digest } from '../digest.ts';
import type { OstreeAudit } from './ostree-audit.ts';
import type { RepairCatalog } from './repair-catalog.ts';

/** Rows that promise bytes; `delta` are those of images and files of OSTree's, `form` what zstd:chunked forms take beside packs. What a manifest names is promised by its blob's or manifest's own row. */
export const AUDIT_SOURCES = ['manifest', 'blob', 'delta', 'pack', 'index', 'form'] as const;
export type AuditSource = (typeof AUDIT_SOURCES)[number];

export interface AuditCatalog {
  readonly ostree: OstreeAudit;
  readonly repair: RepairCatalog;
  /** Digests that rows of a kind name, with the size they state; ascending, each once, after `after`. */
  expected(
    source: AuditSource,
    after: Digest | undefined,
    limit: number,
  ): Promise<readonly { readonly digest: Digest; readonly size?: number | undefined }[]>;
  /**
   * What manifests name and their repository does not have: never pushed to it, or deleted from it.
   * Ascending, each once, after `after`.
   */
  absent(after: Digest | undefined, limit: number): Promise<readonly Digest[]>;
  /** What stops working without that blob, in words (`tag fleet/app:stable`): tags first, OSTree's refs after them, at most `limit`. */
  affected(digest: Digest, limit: number): Promise<readonly string[]>;
}
