import { AUDIT_SOURCES, type AuditSource } from '../catalog/audit-catalog.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { DanglingRow } from '../catalog/repair-catalog.ts';
import type { Digest } from '../digest.ts';
import { checkAborted } from '../durable.ts';
import { lookAtBytes } from './bytes.ts';
import { WrongRowCheck } from './wrong-rows.ts';
import { blobFolders, blobKey, digestOfKey } from '../keys.ts';
import type { FoundFault, FsckFault, FsckFaultKind } from './fault.ts';
import type { ManifestReader } from './manifests.ts';
import { OstreeCheck, type OstreeCheckReport } from './ostree.ts';
import type { StoreRepair } from './repair.ts';
import type { IoOptions, ObjectStore } from '../object-store.ts';

export interface FsckOptions extends IoOptions {
  readonly objects: ObjectStore;
  readonly catalog: Catalog;
  /** Trusts the bytes: only presence and sizes are checked. */
  readonly quick: boolean;
  /** Reads manifests, to compare them with their rows; without it they are not compared. */
  readonly readManifest?: ManifestReader | undefined;
  /** Mends what the check found; without it nothing is changed. */
  readonly repair?: StoreRepair | undefined;
  /** From 0 to 1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** Something that a sparse manifest names. */
export interface FsckAbsent {
  readonly digest: Digest;
  /** What is not whole without it, in words. */
  readonly affects: string;
}

export interface FsckReport extends OstreeCheckReport {
  /** Blobs in the store. */
  readonly objects: number;
  readonly bytes: number;
  /** Digests that rows name, counted once for each kind of row. */
  readonly rows: number;
  readonly faults: readonly FsckFault[];
  /** What manifests name and was never pushed, or was deleted since: no fault, but not whole either. */
  readonly absent: readonly FsckAbsent[];
  /** True if there were more than {@link MAX_FAULTS} of either. */
  readonly truncated: boolean;
}

export const MAX_FAULTS = 1000;
/** Names listed for one fault. */
const MAX_AFFECTED = 20;
/** Rows read at once. */
const PAGE = 500;

/**
 * Checks that every stored blob has the bytes that its name promises, and that the bytes behind every
 * row are there in the size that the row says; that rows name rows that are there, and say of layers what
 * their chunk indexes say, of manifests what their bytes say; that OSTree's objects and refs are whole. Without `repair` it changes nothing; with or
 * without it may run beside a serving origin.
 * Throws `aborted`, and `unavailable` when the catalog or the listing of the store fails.
 */
export async function checkStore(options: FsckOptions): Promise<FsckReport> {
  return new Check(options).run();
}

class Check {
  readonly #options: FsckOptions;
  readonly #faults = new Map<string, FoundFault>();
  #objects = 0;
  #bytes = 0;
  #rows = 0;
  #truncated = false;

  constructor(options: FsckOptions) {
    this.#options = options;
  }

  async run(): Promise<FsckReport> {
    const folders = blobFolders();
    const steps = folders.length + AUDIT_SOURCES.length + 1;
    for (const [n, folder] of folders.entries()) {
      await this.#checkFolder(folder);
      this.#options.onProgress?.((n + 1) / steps);
    }
    for (const [n, source] of AUDIT_SOURCES.entries()) {
      await this.#checkRows(source);
      this.#options.onProgress?.((folders.length + n + 1) / steps);
    }
    await this.#checkReferences();
    const note = (fault: FoundFault): void => {
      if (!this.#faults.has(keyOf(fault))) this.#note(fault);
    };
    if (!this.#options.quick) await new WrongRowCheck({ ...this.#options, note }).run();
    const absent = await this.#findAbsent();
    const ostree = await new OstreeCheck({ ...this.#options, note }).run();
    this.#options.onProgress?.(1);
    return {
      ...ostree,
      objects: this.#objects,
      bytes: this.#bytes,
      rows: this.#rows,
      faults: await this.#mended(),
      absent,
      truncated: this.#truncated,
    };
  }

  async #checkFolder(folder: string): Promise<void> {
    const { objects, quick, signal } = this.#options;
    for await (const entry of objects.list(folder, { signal })) {
      checkAborted(signal, 'check of the store');
      this.#objects += 1;
      this.#bytes += entry.size;
      const digest = digestOfKey(entry.key);
      if (digest === undefined) {
        const about = { type: 'stray', key: entry.key } as const;
        this.#note({ kind: 'misplaced', subject: entry.key, affects: 'nothing reads it', about });
      } else if (!quick) {
        const found = await lookAtBytes(objects, digest, { signal });
        // One collected since it was listed: if a row still names it, that is found with the rows.
        if (found === 'corrupt' || found === 'unreadable') await this.#fault(found, digest);
      }
    }
  }

  async #mended(): Promise<readonly FsckFault[]> {
    const found = [...this.#faults.values()];
    const mended = (await this.#options.repair?.mendAll(found)) ?? found;
    return mended.map(({ kind, subject, affects, repair }) => ({
      ...{ kind, subject, affects },
      ...(repair !== undefined && { repair }),
    }));
  }

  async #checkReferences(): Promise<void> {
    const { audit } = this.#options.catalog;
    for (const row of await audit.repair.dangling(MAX_FAULTS)) {
      const affects = await this.#affectedByRow(row);
      const subject = `${row.reference}: ${row.key.join(' ')}`;
      this.#note({ kind: 'dangling', subject, affects, about: { type: 'row', row } });
    }
  }

  async #affectedByRow({ reference, key }: DanglingRow): Promise<string> {
    const [first = ''] = key;
    if (reference.endsWith('to packs')) return this.#affects(first as Digest);
    if (reference === 'tags to manifests') return `tags of ${first}`;
    return reference === 'manifest_children to manifests'
      ? `a manifest of ${first}`
      : 'nothing that is named';
  }

  async #checkRows(source: AuditSource): Promise<void> {
    const { catalog, signal } = this.#options;
    let after: Digest | undefined;
    for (;;) {
      checkAborted(signal, 'check of the store');
      const page = await catalog.audit.expected(source, after, PAGE);
      for (const row of page) {
        const kind = await this.#checkPresence(row);
        if (kind === undefined) continue;
        if (kind === 'missing' && !(await this.#stillExpected(source, after, row.digest))) continue;
        await this.#fault(kind, row.digest);
      }
      this.#rows += page.length;
      after = page.at(-1)?.digest;
      if (page.length < PAGE) return;
    }
  }

  async #findAbsent(): Promise<readonly FsckAbsent[]> {
    const { audit } = this.#options.catalog;
    const found: FsckAbsent[] = [];
    for (;;) {
      checkAborted(this.#options.signal, 'check of the store');
      const page = await audit.absent(found.at(-1)?.digest, PAGE);
      for (const digest of page) {
        if (found.length >= MAX_FAULTS) this.#truncated = true;
        else found.push({ digest, affects: await this.#affects(digest) });
      }
      if (page.length < PAGE || this.#truncated) return found;
    }
  }

  async #checkPresence(row: {
    readonly digest: Digest;
    readonly size?: number | undefined;
  }): Promise<FsckFaultKind | undefined> {
    const { objects, signal } = this.#options;
    const stat = await objects.stat(blobKey(row.digest), { signal });
    if (stat === undefined) return 'missing';
    return row.size === undefined || row.size === stat.size ? undefined : 'wrong_size';
  }

  /** A row that was read before its blob was collected is gone by now. */
  async #stillExpected(
    source: AuditSource,
    after: Digest | undefined,
    digest: Digest,
  ): Promise<boolean> {
    const page = await this.#options.catalog.audit.expected(source, after, PAGE);
    return page.some((row) => row.digest === digest);
  }

  async #fault(kind: FsckFaultKind, digest: Digest): Promise<void> {
    if (this.#faults.has(keyOf({ kind, subject: digest }))) return;
    const affects = await this.#affects(digest);
    this.#note({ kind, subject: digest, affects, about: { type: 'blob', digest } });
  }

  async #affects(digest: Digest): Promise<string> {
    const affected = await this.#options.catalog.audit.affected(digest, MAX_AFFECTED);
    return affected.length === 0 ? 'nothing that is named' : affected.join(', ');
  }

  #note(fault: FoundFault): void {
    if (this.#faults.size < MAX_FAULTS) this.#faults.set(keyOf(fault), fault);
    else this.#truncated = true;
  }
}

function keyOf({ kind, subject }: Pick<FsckFault, 'kind' | 'subject'>): string {
  return `${kind} ${subject}`;
}
