import { open, rm, type FileHandle } from 'node:fs/promises';

import { digestAlgorithm, DigestHasher, type Digest } from '../../storage/digest.ts';
import { hashFile } from './digest-file.ts';
import { fileSize, readSmall, renameDurable, writeDurable } from './durable.ts';

/** Bytes that may be lost to a power cut; a killed process loses none. */
const SYNC_BYTES = 4 * 1024 * 1024;
const MAX_ETAG_BYTES = 1024;

/**
 * A download on its way: `<stem>.part` with the bytes so far and `<stem>.etag` with the strong ETag
 * of the version that they belong to. The ETag is durable before the first byte and changed only
 * when the part is empty, so that bytes of two versions never meet.
 */
export class PartFile {
  readonly #stem: string;
  readonly #digest: Digest;
  readonly #file: FileHandle;
  #hasher: DigestHasher;
  #etag: string | undefined;
  #unsynced = 0;

  private constructor(stem: string, digest: Digest, file: FileHandle) {
    this.#stem = stem;
    this.#digest = digest;
    this.#file = file;
    this.#hasher = new DigestHasher(digestAlgorithm(digest));
  }

  /** Opens what an earlier run left, if anything. */
  static async open(stem: string, digest: Digest): Promise<PartFile> {
    const path = `${stem}.part`;
    const file = await open(path, 'a');
    const part = new PartFile(stem, digest, file);
    try {
      const etag = (await readSmall(`${stem}.etag`, MAX_ETAG_BYTES))?.toString('utf8');
      const size = (await fileSize(path)) ?? 0;
      if (size > 0 && (etag === undefined || etag === '')) await part.restart(undefined);
      else if (size > 0) {
        await hashFile(path, part.#hasher);
        part.#etag = etag;
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
    await writeDurable(`${this.#stem}.etag`, etag ?? '');
  }

  async append(bytes: Buffer): Promise<void> {
    await this.#file.appendFile(bytes);
    this.#hasher.update(bytes);
    this.#unsynced += bytes.length;
    if (this.#unsynced >= SYNC_BYTES) await this.sync();
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
