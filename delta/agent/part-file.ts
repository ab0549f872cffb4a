import { open, rm, type FileHandle } from 'node:fs/promises';

import { digestAlgorithm, DigestHasher, type Digest } from '../../storage/digest.ts';
import { hashFile } from './digest-file.ts';
import { fileSize, readSmall, renameDurable, writeDurable } from './durable.ts';

/** A sixteenth of the blob at a time is made durable, within these bounds. */
const SYNC_SHARE = 16;
const MIN_SYNC_BYTES = 64 * 1024;
const MAX_SYNC_BYTES = 1024 * 1024;
const MAX_ETAG_BYTES = 1024;

/** What the bytes are to become. */
export interface PartOf {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * A download on its way: `<stem>.part` with the bytes so far and `<stem>.etag` with the strong ETag
 * of the version that they belong to. The ETag is durable before the first byte and changed only
 * when the part is empty, so that bytes of two versions never meet.
 */
export class PartFile {
  readonly #stem: string;
  readonly #digest: Digest;
  readonly #file: FileHandle;
  /** So many bytes, and one write, a power cut may take; a killed process loses none. */
  readonly #syncBytes: number;
  #hasher: DigestHasher;
  #etag: string | undefined;
  #unsynced = 0;
  /** Bytes that an earlier run left, unless they were doubted. */
  #found = 0;

  private constructor(stem: string, { digest, size }: PartOf, file: FileHandle) {
    this.#stem = stem;
    this.#digest = digest;
    this.#file = file;
    const share = Math.ceil(size / SYNC_SHARE);
    this.#syncBytes = Math.min(MAX_SYNC_BYTES, Math.max(MIN_SYNC_BYTES, share));
    this.#hasher = new DigestHasher(digestAlgorithm(digest));
  }

  /** Opens what an earlier run left, if anything. */
  static async open(stem: string, blob: PartOf): Promise<PartFile> {
    const path = `${stem}.part`;
    const file = await open(path, 'a');
    const part = new PartFile(stem, blob, file);
    try {
      const etag = (await readSmall(`${stem}.etag`, MAX_ETAG_BYTES))?.toString('utf8');
      const size = (await fileSize(path)) ?? 0;
      if (size > 0 && (etag === undefined || etag === '')) await part.restart(undefined);
      else if (size > 0) {
        await hashFile(path, part.#hasher);
        part.#etag = etag;
        part.#found = part.size;
      }
      return part;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Bytes so far. */
  get size(): number {
    return this.#hasher.size;
  }

  /** The version of the bytes so far; undefined when there is none to go on with. */
  get etag(): string | undefined {
    return this.size === 0 ? undefined : this.#etag;
  }

  /** Drops the bytes and begins anew with another version. */
  async restart(etag: string | undefined): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.sync();
    this.#hasher = new DigestHasher(digestAlgorithm(this.#digest));
    this.#etag = etag;
    this.#found = 0;
    await writeDurable(`${this.#stem}.etag`, etag ?? '');
  }

  /**
   * For bytes that are not the blob's: drops those from where a power cut at the end of an earlier run
   * may have torn them, and all of them when that is no explanation any more.
   */
  async doubt(): Promise<void> {
    const sound = Math.max(0, this.#found - 2 * this.#syncBytes);
    if (sound === 0) {
      await this.restart(undefined);
      return;
    }
    await this.#file.truncate(sound);
    await this.#file.sync();
    this.#found = 0;
    this.#hasher = new DigestHasher(digestAlgorithm(this.#digest));
    await hashFile(`${this.#stem}.part`, this.#hasher);
  }

  async append(bytes: Buffer): Promise<void> {
    await this.#file.appendFile(bytes);
    this.#hasher.update(bytes);
    this.#unsynced += bytes.length;
    if (this.#unsynced >= this.#syncBytes) await this.sync();
  }

  async sync(): Promise<void> {
    await this.#file.sync();
    this.#unsynced = 0;
  }

  /** True if the bytes are the blob; then they are at the stem itself, durable. */
  async finish(): Promise<boolean> {
    await this.sync();
    if (this.#hasher.peek() !== this.#digest) return false;
    await renameDurable(`${this.#stem}.part`, this.#stem);
    await rm(`${this.#stem}.etag`, { force: true });
    return true;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
