import { UpstreamError } from '../upstream-error.ts';
import { expectStatus } from '../upstream-blobs.ts';
import type { Upstream } from '../upstream.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;
const TOKEN = /^[\x21-\x7e]{1,65536}$/;
/** Of a token that does not say it ("Token Response Fields" of the registry token specification). */
const DEFAULT_SECONDS = 60;
/** A token is given up so long before its end, at most a fifth of its time: it still has to travel. */
const EARLY_MS = 30_000;

/** What a token is asked for. */
export interface TokenAsk {
  readonly service: string | undefined;
  /** Such as `repository:library/app:pull`. */
  readonly scope: string;
}

export interface GrantedToken {
  readonly header: string;
  /** By this machine's clock, of when the answer came: the service's own may differ. */
  readonly endsMs: number;
}

/**
 * Asks a token service (the registry token specification, "Requesting a Token"); `client` is the
 * upstream of its realm, whose `auth` shows the credentials. Throws `unavailable`, `UpstreamError`.
 */
export async function askToken(
  client: Upstream,
  realm: URL,
  { service, scope }: TokenAsk,
  nowMs: () => number,
): Promise<GrantedToken> {
  const query = new URLSearchParams(realm.search);
  if (service !== undefined) query.set('service', service);
  query.set('scope', scope);
  const path = `${realm.pathname}?${query.toString()}`;
  const answer = await client.request({ method: 'GET', path, attempts: 2 });
  try {
    expectStatus(answer, `a token for ${scope}`, [200]);
  } catch (error) {
    client.discard(answer);
    throw error;
  }
  const body = await client.readAll(answer, MAX_ANSWER_BYTES);
  const { token, seconds } = parseAnswer(body, answer.status);
  const lifeMs = seconds * 1000;
  const endsMs = nowMs() + lifeMs - Math.min(EARLY_MS, lifeMs / 5);
  return { header: `Bearer ${token}`, endsMs };
}

function parseAnswer(
  body: Buffer,
  status: number,
): { readonly token: string; readonly seconds: number } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new UpstreamError('refused', "the token service's answer is not JSON", { status });
  }
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const token = fields['token'] ?? fields['access_token'];
  if (typeof token !== 'string' || !TOKEN.test(token)) {
    throw new UpstreamError('refused', 'the token service gave no token', { status });
  }
  const seconds = fields['expires_in'];
  const stated = typeof seconds === 'number' && seconds > 0 ? seconds : DEFAULT_SECONDS;
  return { token, seconds: Math.min(stated, 86_400) };
}
