import { digestOf } from '../../../storage/digest.ts';
import { LOOSE, pickOf, REPOS } from './material.ts';
import type { Request } from './request.ts';
import { GRACE_MS, SESSION_MS } from './world.ts';

/** A client opens a session. */
export async function startUpload({ world, stores }: Request, client: number): Promise<void> {
  const untilMs = world.clock.nowMs + SESSION_MS;
  const repo = pickOf(REPOS, client);
  const { id } = await stores.uploads.start(repo);
  world.clients.set(client, { repo, id });
  world.model.sessions.set(id, { repo, size: 0, untilMs });
}

/** It sends another half of its blob. */
export async function appendUpload({ world, stores }: Request, client: number): Promise<void> {
  const session = world.clients.get(client);
  if (session === undefined) return;
  const { repo, id } = session;
  const bytes = pickOf(LOOSE, client);
  const untilMs = world.clock.nowMs + SESSION_MS;
  const offset = world.model.sessions.get(id)?.size ?? 0;
  const piece = bytes.subarray(offset, offset + Math.ceil(bytes.length / 2));
  const { size } = await stores.uploads.append(repo, id, [piece], { offset });
  const known = world.model.sessions.get(id);
  if (known === undefined) return;
  known.size = Math.max(known.size, size);
  known.untilMs = Math.max(known.untilMs, untilMs);
}

/** It says what the bytes are that it has sent. */
export async function commitUpload({ world, stores }: Request, client: number): Promise<void> {
  const session = world.clients.get(client);
  if (session === undefined) return;
  const { repo, id } = session;
  world.clients.delete(client);
  world.model.sessions.delete(id);
  const untilMs = world.clock.nowMs + GRACE_MS;
  const { size } = await stores.uploads.get(repo, id);
  const digest = digestOf(pickOf(LOOSE, client).subarray(0, size));
  await stores.uploads.commit(repo, id, digest);
  world.model.link(repo, digest, untilMs);
}
