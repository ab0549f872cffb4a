import type { UploadPart, UploadSession } from '../catalog/upload-catalog.ts';
import { DigestHasher } from '../digest.ts';
import { uploadPartOffset, uploadPrefix, type ObjectKey } from '../keys.ts';
import type { ObjectEntry, ObjectStore } from '../object-store.ts';

/** A part that the session's row names, and the object that holds it. */
export interface StoredPart {
  readonly part: UploadPart;
  readonly key: ObjectKey;
}

/**
 * Finds the objects behind a session's parts. An append that lost a race or died may have left
 * another object at the same offset; then size and digest tell which one the row means. Undefined
 * when a part is not there.
 */
export async function findParts(
  objects: ObjectStore,
  session: Pick<UploadSession, 'id' | 'parts'>,
  signal: AbortSignal | undefined,
): Promise<readonly StoredPart[] | undefined> {
  const byOffset = new Map<number, ObjectEntry[]>();
  for await (const entry of objects.list(uploadPrefix(session.id), { signal })) {
    const offset = uploadPartOffset(entry.key);
    if (offset === undefined) continue;
    byOffset.set(offset, [...(byOffset.get(offset) ?? []), entry]);
  }
  const found: StoredPart[] = [];
  for (const part of session.parts) {
    const fitting = (byOffset.get(part.offset) ?? []).filter(({ size }) => size === part.size);
    const key = await choose(objects, part, fitting, signal);
    if (key === undefined) return undefined;
    found.push({ part, key });
  }
  return found;
}

async function choose(
  objects: ObjectStore,
  part: UploadPart,
  entries: readonly ObjectEntry[],
  signal: AbortSignal | undefined,
): Promise<ObjectKey | undefined> {
  if (entries.length === 1) return entries[0]?.key;
  for (const { key } of entries) {
    const hasher = new DigestHasher();
    for await (const bytes of readObject(objects, key, signal)) hasher.update(bytes);
    if (hasher.digest() === part.digest) return key;
  }
  return undefined;
}

/** The session's bytes in order. */
export async function* readParts(
  objects: ObjectStore,
  parts: readonly StoredPart[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { key } of parts) yield* readObject(objects, key, signal);
}

async function* readObject(
  objects: ObjectStore,
  key: ObjectKey,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of await objects.open(key, { signal })) yield bytes as Buffer;
}
