import { parseCommitmeta } from '../../../delta/ostree/commitmeta.ts';
import type { Checksum } from '../../../delta/ostree/objects/checksum.ts';
import type { ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import { isList } from '../../../delta/ostree/gvariant/value.ts';
import { parseCommit } from '../../../delta/ostree/objects/commit.ts';
import type { RefName } from '../../../delta/ostree/ref-name.ts';
import { objectFault } from '../../../delta/ostree/source/object-fault.ts';
import type { ObjectSource } from '../../../delta/ostree/source/object-source.ts';
import { commitHistory, walkCommit } from '../../../delta/ostree/source/walk-commit.ts';
import { MAX_NAMES, type CallOptions, type OstreeServer } from './ostree-server.ts';
import { missingOf, sendObjects, type SendEvents } from './send-objects.ts';

export interface CommitPush {
  readonly source: ObjectSource;
  /** The commit in the source: a ref or a checksum. */
  readonly from: string;
  readonly server: OstreeServer;
  readonly ref: RefName;
  /** How many ancestors go too, where the source has them. */
  readonly depth: number;
  /** Moves the ref whatever became of it meanwhile. */
  readonly force: boolean;
}

export interface PushEvents extends SendEvents {
  /** What has to be sent is known. */
  counted(objects: number, missing: number): void;
}

export interface PushReport {
  readonly commit: Checksum;
  /** What the ref was when the push began. */
  readonly before: Checksum | undefined;
  /** Of the commits with all they need. */
  readonly objects: number;
  /** Objects that the server lacked. */
  readonly sent: number;
  /** The refs that the commit says it is for; empty when it may be under any. */
  readonly boundTo: readonly string[];
}

/**
 * Pushes a commit: all it needs and the server lacks, its signatures, then its ref, which only moves
 * if it is still what it was when the push began. Objects that got across stay there when the push
 * fails, so that the next one goes on. Throws as the source and the server do.
 */
export async function pushCommit(
  push: CommitPush,
  events: PushEvents,
  options: CallOptions = {},
): Promise<PushReport> {
  const { source, server, ref, depth, force } = push;
  const commit = await source.resolveRef(push.from, options);
  const before = await server.readRef(ref, options);
  const commits: Checksum[] = [];
  for await (const one of commitHistory(source, commit, depth, options)) commits.push(one);
  const { objects, missing } = await compare(push, commits, options);
  events.counted(objects, missing.length);
  await sendObjects(server, source, missing, events, options);
  // Oldest first: whoever sees a commit on the server sees its history signed.
  for (const one of commits.toReversed()) await sendCommitmeta(push, one, options);
  await server.moveRef(ref, commit, force ? 'any' : (before ?? null), options);
  return {
    commit,
    before,
    objects,
    sent: missing.length,
    boundTo: await boundRefs(source, commit),
  };
}

/** `ostree.ref-binding`: clients refuse the commit under any other ref. */
async function boundRefs(source: ObjectSource, commit: Checksum): Promise<readonly string[]> {
  const { metadata } = parseCommit(await source.readMetadata('commit', commit));
  const binding = metadata.find(([key, { type }]) => key === 'ostree.ref-binding' && type === 'as');
  const refs = binding?.[1].value;
  return isList(refs) ? refs.filter((ref) => typeof ref === 'string') : [];
}

/** Counts what the commits need and gathers what the server lacks of it, in batches. */
async function compare(
  { source, server }: CommitPush,
  commits: readonly Checksum[],
  options: CallOptions,
): Promise<{ readonly objects: number; readonly missing: readonly ObjectName[] }> {
  const seen = new Set<string>();
  const missing: ObjectName[] = [];
  let batch: ObjectName[] = [];
  const ask = async (): Promise<void> => {
    for (const name of await missingOf(server, batch, options)) missing.push(name);
    batch = [];
  };
  for (const commit of commits) {
    for await (const name of walkCommit(source, commit, seen, options)) {
      batch.push(name);
      if (batch.length >= MAX_NAMES) await ask();
    }
  }
  await ask();
  return { objects: seen.size, missing };
}

async function sendCommitmeta(
  { source, server }: CommitPush,
  commit: Checksum,
  options: CallOptions,
): Promise<void> {
  const bytes = await source.readCommitmeta(commit, options);
  if (bytes === undefined) return;
  try {
    parseCommitmeta(bytes);
  } catch (error) {
    throw objectFault(error, { kind: 'commit', checksum: commit }, `${source.label} (commitmeta)`);
  }
  await server.sendCommitmeta(commit, bytes, options);
}
