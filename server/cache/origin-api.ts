import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

import {
  CACHE_URL_HEADER,
  DEVICE_HEADER,
  REASON_HEADER,
  REGION_HEADER,
} from '../../delta/agent/protocol.ts';
import type { Upstream } from './upstream.ts';

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Headers of the origin's answers that mean something to a device. */
const PASSED_HEADERS = ['content-type', 'retry-after', REASON_HEADER, 'cache-control'] as const;

/** What is passed on for a device. */
export interface DeviceRequest {
  /** `/v1/check` or `/v1/decisions/{id}/events`. */
  readonly path: string;
  readonly device: string;
  readonly body: Buffer;
  readonly signal?: AbortSignal | undefined;
  /** The base URL under which the device reaches this cache. */
  readonly cacheUrl?: string | undefined;
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

  constructor(upstream: Upstream, region: string) {
    this.#upstream = upstream;
    this.#region = region;
  }

  /** Throws `unavailable` at once while the origin is known to be gone. */
  async forward(request: DeviceRequest): Promise<OriginAnswer> {
    const { path, device, body, signal, cacheUrl } = request;
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      [DEVICE_HEADER]: device,
      [REGION_HEADER]: this.#region,
      ...(cacheUrl !== undefined && { [CACHE_URL_HEADER]: cacheUrl }),
    };
    const answer = await this.#upstream.request({
      method: 'POST',
      path,
      headers,
      body,
      signal,
      failFast: true,
    });
    const bytes = await this.#upstream.readAll(answer, MAX_ANSWER_BYTES, signal);
    const passed: Record<string, string> = {};
    for (const name of PASSED_HEADERS) {
      const value = answer.headers[name];
      if (typeof value === 'string') passed[name] = value;
    }
    return { status: answer.status, headers: passed, body: bytes };
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
