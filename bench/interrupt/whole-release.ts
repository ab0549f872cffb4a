import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

interface Document {
  readonly manifests?: readonly {
    readonly digest: string;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string; readonly size: number }[];
}

/**
 * The digest of the release that a device's `current` points to, by nothing but the OCI layout on its
 * disk and sha256: every blob of it is digested here. Undefined when there is no `current`. Throws with
 * what is wrong when the release is not whole.
 */
export async function wholeRelease(data: string): Promise<string | undefined> {
  const slot = await currentSlot(data);
  if (slot === undefined) return undefined;
  const index = JSON.parse(await readFile(join(slot, 'index.json'), 'utf8')) as Document;
  const [entry, ...more] = index.manifests ?? [];
  const source = entry?.annotations?.['org.rivulet.source.digest'];
  if (entry === undefined || source === undefined || more.length > 0) {
    throw new Error(`${slot}/index.json does not name one release`);
  }
  const [released, held] = await Promise.all([
    readDocument(slot, source),
    readDocument(slot, entry.digest),
  ]);
  if (released.config?.digest !== held.config?.digest) throw new Error(`${slot}: another config`);
  const config = await readBlob(slot, held.config?.digest ?? '');
  const { rootfs } = JSON.parse(config.toString('utf8')) as { rootfs: { diff_ids: string[] } };
  const layers = held.layers ?? [];
  if (layers.map(({ digest }) => digest).join() !== rootfs.diff_ids.join()) {
    throw new Error(`${slot}: its layers are not the config's`);
  }
  for (const { digest, size } of layers) {
    const { length } = await readBlob(slot, digest);
    if (length !== size) throw new Error(`${slot}: ${digest} has ${length} bytes, not ${size}`);
  }
  return source;
}

async function currentSlot(data: string): Promise<string | undefined> {
  try {
    return join(data, await readlink(join(data, 'current')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readDocument(slot: string, digest: string): Promise<Document> {
  return JSON.parse((await readBlob(slot, digest)).toString('utf8')) as Document;
}

async function readBlob(slot: string, digest: string): Promise<Buffer> {
  const bytes = await readFile(join(slot, 'blobs/sha256', digest.replace('sha256:', '')));
  const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (found !== digest) throw new Error(`${slot}: the blob ${digest} is ${found}`);
  return bytes;
}
