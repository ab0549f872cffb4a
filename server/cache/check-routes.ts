import type { OstreeCheckRequest } from '../../delta/agent/ostree-protocol.ts';
import {
  AGE_HEADER,
  DEVICE_HEADER,
  REASON_HEADER,
  type CheckRequest,
} from '../../delta/agent/protocol.ts';
import type { Clock } from '../../storage/clock.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { CacheConfig } from '../config.ts';
import { HttpError } from '../http/errors.ts';
import type { Exchange, RawRoute } from '../http/exchange.ts';
import { readJson } from '../http/json-body.ts';
import type { Contract } from '../http/validate.ts';
import type { Metrics } from '../observe/metrics.ts';
import { sendJson } from '../oci/respond.ts';
import { askedPlatform, currentDigest, decide } from '../updates/decide.ts';
import { checkSchema } from '../updates/kinds.ts';
import { currentCommit, decideOstree } from '../updates/ostree/decide.ts';
import { checkLabels, type DecideEnv, type DecideOutcome } from '../updates/outcome.ts';
import { cacheUrlOf } from './cache-url.ts';
import { cameBy } from './came-by.ts';
import { answerV1 } from './failure.ts';
import { requireHeader } from './json-request.ts';
import type { LiveTracker } from './live.ts';
import { sendOriginAnswer, type OriginAnswer, type OriginApi } from './origin-api.ts';
import { heldFacts } from './ostree/held-facts.ts';
import type { CachedRepos } from './ostree/open-repos.ts';
import type { Releases } from './releases.ts';

export interface CheckRouteOptions {
  readonly config: Pick<CacheConfig, 'publicUrl' | 'region' | 'offlineMs'>;
  readonly originUrl: string;
  /** Throws when the caller may not read that product. */
  readonly authorize?: ((x: Exchange, product: string) => void) | undefined;
  readonly origin: OriginApi;
  readonly releases: Releases;
  /** Tells which static deltas are here. */
  readonly repos: Pick<CachedRepos, 'deltas'>;
  readonly live: LiveTracker;
  readonly contract: Contract;
  readonly metrics: Pick<Metrics, 'checks' | 'checkSeconds'>;
  readonly clock: Clock;
}

/** `POST /v1/check`: the origin's answer, or one from its last word when it is gone. */
export function createCheckRoute(options: CheckRouteOptions): RawRoute {
  return async (x) => {
    if (x.path !== '/v1/check') return false;
    x.route = '/v1/check';
    if (x.req.method !== 'POST') {
      throw new HttpError('method_not_allowed', 'a check is a POST', {
        headers: { Allow: 'POST' },
      });
    }
    await answerV1(x, () => check(x, options));
    return true;
  };
}

async function check(x: Exchange, options: CheckRouteOptions): Promise<void> {
  const { config, origin, live, contract, metrics } = options;
  const stopTimer = metrics.checkSeconds.startTimer();
  const device = requireHeader(x, contract, DEVICE_HEADER, 'DeviceId');
  const { bytes, value } = await readJson(x);
  const ask = contract.check(checkSchema(value), value);
  options.authorize?.(x, ask.product);
  await noteLive(live, ask);
  const { region, cacheUrls: below } = cameBy(x, contract);
  const cacheUrls = [...below, cacheUrlOf(x.req, config.publicUrl)];
  const { signal } = x;
  let answer: OriginAnswer;
  try {
    const by = { device, region, cacheUrls };
    answer = await origin.forward({ ...by, path: '/v1/check', body: bytes, signal });
  } catch (error) {
    if (!isStorageError(error, 'unavailable')) throw error;
    await decideAlone(x, options, { device, ask, cacheUrls, cause: error });
    stopTimer();
    return;
  }
  const reason = answer.status === 204 ? (answer.headers[REASON_HEADER] ?? '') : '';
  metrics.checks.inc({ result: answer.status === 200 ? 'update' : 'none', reason });
  sendOriginAnswer(x.res, answer);
  stopTimer();
}

async function noteLive(live: LiveTracker, ask: CheckRequest | OstreeCheckRequest): Promise<void> {
  if (ask.kind === 'ostree') {
    const checksum = currentCommit(ask);
    if (checksum === undefined) return;
    await live.seenCommit({ repo: ask.product, ref: ask.channel, checksum });
    return;
  }
  const current = currentDigest(ask);
  if (current === undefined) return;
  const { product, channel } = ask;
  await live.seen({ product, channel, platform: askedPlatform(ask), current });
}

/** Decides from what the origin last said, for as long as the configuration allows. */
async function decideAlone(
  { res }: Exchange,
  options: CheckRouteOptions,
  {
    device,
    ask,
    cacheUrls,
    cause,
  }: {
    readonly device: string;
    readonly ask: CheckRequest | OstreeCheckRequest;
    readonly cacheUrls: readonly string[];
    readonly cause: unknown;
  },
): Promise<void> {
  const { config, originUrl, releases, metrics, clock } = options;
  const { ageSeconds } = releases;
  if (ageSeconds === undefined || ageSeconds * 1000 > config.offlineMs) {
    throw new HttpError('unavailable', 'the origin does not answer', { cause });
  }
  const env = {
    ...{ deviceId: device, nowMs: clock(), region: config.region },
    servers: [...cacheUrls, originUrl],
  };
  const outcome = await decideFrom(options, ask, env, cause);
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader(AGE_HEADER, ageSeconds.toString());
  metrics.checks.inc(checkLabels(outcome));
  if (outcome.kind === 'update') {
    sendJson(res, 200, outcome.decision);
    return;
  }
  res.writeHead(204, {
    [REASON_HEADER]: outcome.reason,
    'Retry-After': outcome.retryAfterSeconds.toString(),
  });
  res.end();
}

async function decideFrom(
  { releases, repos }: CheckRouteOptions,
  ask: CheckRequest | OstreeCheckRequest,
  env: DecideEnv,
  cause: unknown,
): Promise<DecideOutcome> {
  if (ask.kind !== 'ostree') return decide(releases.facts(ask.product, ask.channel), ask, env);
  const facts = releases.ostreeFacts(ask.product, ask.channel);
  if (facts === undefined && !releases.tellsEveryRef) {
    throw new HttpError('unavailable', 'the origin does not answer', { cause });
  }
  const held = facts && (await heldFacts(facts, currentCommit(ask), repos.deltas));
  return decideOstree(held, ask, env);
}
