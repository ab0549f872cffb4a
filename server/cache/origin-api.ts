import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

import { forOlderServer } from '../../delta/agent/older-server.ts';
import {
  AGE_HEADER,
  CACHE_URL_HEADER,
  DEVICE_HEADER,
  REASON_HEADER,
  REGION_HEADER,
  type EventsRequest,
} from '../../delta/agent/protocol.ts';
import { Turns } from '../ostree/turns.ts';
import type { Upstream } from './upstream.ts';

/** Requests of devices at the origin at once; when it is back after a while, many wait. */
const MAX_AT_ONCE = 64;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Headers of the origin's answers that mean something to a device. */
const PASSED_HEADERS = [
  'content-type',
  'retry-after',
  REASON_HEADER,
  AGE_HEADER,
  'cache-control',
] as const;

/** What is passed on for a device. */
export interface DeviceRequest {
  /** `/v1/check` or `/v1/decisions/{id}/events`. */
  readonly path: string;
  readonly device: string;
  readonly body: Buffer;
  readonly signal?: AbortSignal | undefined;
  /** Of the cache below that forwarded it; this cache's own when absent. */
  readonly region?: string | undefined;
  /** Base URLs of caches, the one that the device asked first, this one last. */
  readonly cacheUrls?: readonly string[] | undefined;
}

/** The origin's answer below 500, whatever it says. */
export interface OriginAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Asks the origin on behalf of devices of the region. */
export class OriginApi {
  readonly #upstream: Upstream;
  readonly #region: string;
  readonly #turns = new Turns(MAX_AT_ONCE);

  constructor(upstream: Upstream, region: string) {
    this.#upstream = upstream;
    this.#region = region;
  }

  /** Throws `unavailable` at once while the origin is known to be gone. */
  async forward(request: DeviceRequest): Promise<OriginAnswer> {
    const { path, device, body, signal, cacheUrls } = request;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      [DEVICE_HEADER]: device,
      [REGION_HEADER]: request.region ?? this.#region,
      ...(cacheUrls !== undefined && { [CACHE_URL_HEADER]: cacheUrls.join(', ') }),
    };
    const post = { method: 'POST', path, headers, body, signal, failFast: true } as const;
    const { answer, bytes } = await this.#turns.take(async () => {
      const head = await this.#upstream.request(post);
      return { answer: head, bytes: await this.#upstream.readAll(head, MAX_ANSWER_BYTES, signal) };
    });
    const passed: Record<string, string> = {};
    for (const name of PASSED_HEADERS) {
      const value = answer.headers[name];
      if (typeof value === 'string') passed[name] = value;
    }
    return { status: answer.status, headers: passed, body: bytes };
  }

  /**
   * As {@link forward}, a report of that decision, whose body was checked when it came. An origin of before
   * `wireBytes`, which refuses the field, gets it without.
   */
  async report(decision: string, request: Omit<DeviceRequest, 'path'>): Promise<OriginAnswer> {
    const path = `/v1/decisions/${decision}/events`;
    const answer = await this.forward({ ...request, path });
    if (answer.status !== 400) return answer;
    const older = forOlderServer(JSON.parse(request.body.toString()) as EventsRequest);
    if (older === undefined) return answer;
    return this.forward({ ...request, path, body: Buffer.from(JSON.stringify(older)) });
  }
}

/** Passes an answer of the origin on to the device. */
export function sendOriginAnswer(res: ServerResponse, answer: OriginAnswer): void {
  const { status, headers, body } = answer;
  const out: OutgoingHttpHeaders = { ...headers };
  if (status !== 204) out['content-length'] = body.length;
  res.writeHead(status, out);
  res.end(status === 204 ? undefined : body);
}
