import { setMaxListeners } from 'node:events';

import type { ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import type { ObjectSource } from '../../../delta/ostree/source/object-source.ts';
import { multipart } from './multipart.ts';
import { notingFault } from './noting-fault.ts';
import { ObjectQueue } from './object-queue.ts';
import { MAX_NAMES, type CallOptions, type OstreeServer } from './ostree-server.ts';
import { isRetryable, pauseBefore, TRIES } from './retry.ts';

/** Requests at once. */
const SENDERS = 2;
/** Every request under way, to the server and to the source, listens to the signal that ends it. */
const MAX_LISTENERS = 64;

export interface SendEvents {
  /** So many of the objects are on their way or there. */
  progress(done: number): void;
  /** Bytes of objects that went out, those sent again after a broken connection included. */
  bytes(count: number): void;
}

/** Which of the objects the server lacks, in their order, asked in batches. */
export async function missingOf(
  server: OstreeServer,
  names: readonly ObjectName[],
  options: CallOptions = {},
): Promise<readonly ObjectName[]> {
  const missing: ObjectName[] = [];
  for (let at = 0; at < names.length; at += MAX_NAMES) {
    missing.push(...(await server.missing(names.slice(at, at + MAX_NAMES), options)));
  }
  return missing;
}

/**
 * Sends objects in a few requests at once, each of bounded size, in memory that does not depend on
 * how many or how large they are. After a broken connection or an overloaded server it asks what is
 * still missing and goes on; it gives up after {@link TRIES} tries that got nothing across. Faults of
 * the source and refusals end it at once.
 */
export async function sendObjects(
  server: OstreeServer,
  source: ObjectSource,
  names: readonly ObjectName[],
  events: SendEvents,
  options: CallOptions = {},
): Promise<void> {
  let left = names;
  for (let failures = 0; left.length > 0;) {
    const before = names.length - left.length;
    const fault = await sendOnce(server, source, left, { events, before, ...options });
    if (fault === undefined) return;
    const still = await missingOf(server, left, options);
    failures = still.length < left.length ? 1 : failures + 1;
    if (failures >= TRIES) throw fault;
    left = still;
    await pauseBefore(failures, options.signal);
  }
}

interface RoundOptions extends CallOptions {
  readonly events: SendEvents;
  /** How many objects there were before this round. */
  readonly before: number;
}

/** Sends until all went out, or until a request failed as another may not: that fault. */
async function sendOnce(
  server: OstreeServer,
  source: ObjectSource,
  names: readonly ObjectName[],
  { events, before, signal: outer }: RoundOptions,
): Promise<Error | undefined> {
  const stop = new AbortController();
  const signal = outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]);
  setMaxListeners(MAX_LISTENERS, signal);
  let done = before;
  const queue = new ObjectQueue(source, names, {
    ahead: Math.max(1, Math.floor(source.concurrency / SENDERS)),
    signal,
    sent() {
      done += 1;
      events.progress(done);
    },
    bytes: (count) => {
      events.bytes(count);
    },
  });
  /** Of the connections, and of the source: only the first of all counts, the others follow from it. */
  const faults: { readonly error: Error; readonly ofSource: boolean }[] = [];
  const fail = (error: unknown, ofSource: boolean): void => {
    if (faults.length > 0) return;
    faults.push({ error: error instanceof Error ? error : new Error(String(error)), ofSource });
    stop.abort();
  };
  const sender = async (): Promise<void> => {
    while (!queue.isEmpty && !signal.aborted) {
      const { contentType, body } = multipart(queue.take());
      const noted = notingFault(body, (error) => {
        fail(error, true);
      });
      try {
        await server.sendObjects({ contentType, body: noted }, { signal });
      } catch (error) {
        fail(error, false);
      }
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const [first] = faults;
  if (first === undefined) return undefined;
  if (first.ofSource || !isRetryable(first.error) || outer?.aborted === true) throw first.error;
  return first.error;
}
