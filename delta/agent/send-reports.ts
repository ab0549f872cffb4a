import { expectNoPortal, statusError } from './answers.ts';
import { readAll, type HttpAnswer, type HttpClient } from './http.ts';
import { forOlderServer } from './older-server.ts';
import type { EventsRequest } from './protocol.ts';
import type { QueuedReport, ReportQueue } from './reports.ts';
import { DeviceError, toDeviceError } from './errors.ts';

const MAX_EVENTS = 100;
const MAX_ANSWER_BYTES = 65_536;
/** A handshake, both heads and the answer. */
const EXCHANGE_BYTES = 6144;
/** Answers that no later try would change: the report is dropped. */
const FINAL = new Set([400, 409, 410, 413, 422]);

export interface SendEnv {
  readonly http: HttpClient;
  /** Base URLs. */
  readonly servers: readonly string[];
  readonly signal: AbortSignal;
  readonly onWarning: (message: string) => void;
  /** Puts bytes on the device's account before they are spent; throws `quota` when none are left. */
  readonly cover: (bytes: number) => Promise<void>;
}

/**
 * Delivers what is queued, in order, in batches of one decision each; stops at the first batch that
 * no server takes now and keeps it for the next run. A batch that was taken but not yet removed when
 * the power went is sent again: events are idempotent by `seq`. A server that refuses `wireBytes`
 * gets the report without it.
 */
export async function sendReports(queue: ReportQueue, env: SendEnv): Promise<void> {
  for (const batch of batches(await queue.list(env.onWarning))) {
    const answer = await post(batch, env);
    if (answer === 'later') return;
    if (answer === 'refused') {
      const { decisionId } = batch[0];
      env.onWarning(`the server refuses reports of decision ${decisionId}; they are dropped`);
    }
    await queue.remove(batch);
  }
}

type Batch = readonly [QueuedReport, ...QueuedReport[]];

function batches(reports: readonly QueuedReport[]): readonly Batch[] {
  const all: [QueuedReport, ...QueuedReport[]][] = [];
  for (const report of reports) {
    const last = all.at(-1);
    if (last?.[0].decisionId === report.decisionId && last.length < MAX_EVENTS) last.push(report);
    else all.push([report]);
  }
  return all;
}

async function post(batch: Batch, env: SendEnv): Promise<'taken' | 'refused' | 'later'> {
  const [{ decisionId, decision }] = batch;
  const report: EventsRequest = { decision, events: batch.map(({ event }) => event) };
  for (const server of env.servers) {
    const url = `${server}/v1/decisions/${encodeURIComponent(decisionId)}/events`;
    try {
      let answer = await postOnce(url, report, env);
      const older = answer.status === 400 ? forOlderServer(report) : undefined;
      if (older !== undefined) answer = await postOnce(url, older, env);
      if (answer.status >= 200 && answer.status < 300) return 'taken';
      if (FINAL.has(answer.status)) return 'refused';
      env.onWarning(`${statusError(answer, url).message}; reports stay queued`);
    } catch (error) {
      const fault = toDeviceError(error, url);
      if (fault.code === 'aborted') throw fault;
      if (!(error instanceof DeviceError)) throw error;
      env.onWarning(`${fault.message}; reports stay queued`);
    }
  }
  return 'later';
}

async function postOnce(url: string, report: EventsRequest, env: SendEnv): Promise<HttpAnswer> {
  const body = Buffer.from(JSON.stringify(report));
  await env.cover(body.length + EXCHANGE_BYTES);
  const answer = await env.http.send({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: env.signal,
  });
  expectNoPortal(answer, url);
  await readAll(answer, MAX_ANSWER_BYTES);
  return answer;
}
