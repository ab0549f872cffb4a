import type { Digest } from '../../storage/digest.ts';
import { dateMs, expectNoPortal, retryAfterSeconds, statusError } from './answers.ts';
import { parseDecision, PLAN_KINDS } from './decision.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { readAll, type HttpClient } from './http.ts';
import { JsonReader } from './json.ts';
import type { DeviceOptions } from './options.ts';
import { REASON_HEADER, type CheckRequest, type Decision } from './protocol.ts';

export type CheckAnswer =
  | {
      readonly kind: 'update';
      readonly decision: Decision;
      /** The server's clock, where it tells: the device's own may be off by years. */
      readonly serverMs?: number | undefined;
    }
  | {
      readonly kind: 'none';
      readonly reason: string;
      readonly retryAfterSeconds?: number | undefined;
    };

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export interface CheckFacts {
  readonly current: Digest | undefined;
  readonly freeBytes: number;
  readonly lastResult: string | undefined;
}

/**
 * Asks the first server that answers. A server that is silent or broken is passed over, one that
 * refuses the request is not: `unreachable` when all are silent, `captive_portal` when one of those is
 * hidden by a page, `refused` or `bad_answer` otherwise.
 */
export async function check(
  options: DeviceOptions,
  facts: CheckFacts,
  http: HttpClient,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const faults: DeviceError[] = [];
  for (const server of options.servers) {
    try {
      return await askServer(`${server}/v1/check`, checkRequest(options, facts), http, signal);
    } catch (error) {
      const fault = toDeviceError(error, server);
      if (fault.code !== 'unreachable' && fault.code !== 'captive_portal') throw fault;
      faults.push(fault);
    }
  }
  const isPortal = faults.some(({ code }) => code === 'captive_portal');
  const advice = isPortal ? 'log this network in' : 'check the network and --server';
  throw new DeviceError(
    isPortal ? 'captive_portal' : 'unreachable',
    `no server answers: ${faults.map(({ message }) => message).join('; ')}; ${advice}, the update goes on with the next run`,
  );
}

function checkRequest(options: DeviceOptions, facts: CheckFacts): CheckRequest {
  const { current, lastResult } = facts;
  return {
    product: options.product,
    channel: options.channel,
    os: options.platform.os,
    arch: options.platform.architecture,
    variant: options.platform.variant,
    region: options.region,
    current: current === undefined ? [] : [{ kind: 'oci', name: options.product, digest: current }],
    metered: options.metered ? true : undefined,
    // An idle device, which asks most often, has nothing to tell.
    ...(lastResult === 'up_to_date' ? {} : { freeBytes: facts.freeBytes, lastResult }),
  };
}

/** A server of before `accept` could be left out refuses the short request, and gets the long one. */
async function askServer(
  url: string,
  request: CheckRequest,
  http: HttpClient,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  try {
    return await ask(url, request, http, signal);
  } catch (error) {
    if (!(error instanceof DeviceError) || error.detail['status'] !== 400) throw error;
    return ask(url, { ...request, accept: PLAN_KINDS }, http, signal);
  }
}

async function ask(
  url: string,
  request: CheckRequest,
  http: HttpClient,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const answer = await http.send({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    isAlone: true,
    body: Buffer.from(JSON.stringify(request)),
    signal,
  });
  expectNoPortal(answer, url);
  const bytes = await readAll(answer, MAX_ANSWER_BYTES);
  if (answer.status === 204) {
    return {
      kind: 'none',
      reason: (answer.header(REASON_HEADER) ?? 'none').slice(0, 64),
      retryAfterSeconds: retryAfterSeconds(answer),
    };
  }
  if (answer.status === 200) {
    const decision = parseDecision(JsonReader.parse(bytes, url, 'bad_answer'));
    return { kind: 'update', decision, serverMs: dateMs(answer) };
  }
  const error = statusError(answer, url);
  if (error.code === 'unreachable') throw error;
  throw new DeviceError('refused', `${error.message}${problem(bytes)}`, { detail: error.detail });
}

/** The words of a problem document (RFC 9457), if the answer is one. */
function problem(bytes: Buffer): string {
  try {
    const reader = JsonReader.parse(bytes, 'answer', 'bad_answer');
    return `: ${reader.string(reader.has('detail') ? 'detail' : 'title', 1000)}`;
  } catch (error) {
    if (error instanceof DeviceError) return '';
    throw error;
  }
}
