import type { OstreeFacts } from '../../delta/agent/ostree-protocol.ts';
import type { ReleaseFacts, ReleasesResponse } from '../../delta/agent/protocol.ts';
import type { CachedDocuments } from '../../storage/catalog/cache-documents.ts';
import type { Clock } from '../../storage/clock.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { Contract } from '../http/validate.ts';
import type { Logger } from '../observe/logger.ts';
import { ageOf } from './age.ts';
import type { Upstream } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';
import { UpstreamError } from './upstream-error.ts';

const PATH = '/v1/releases';
const MAX_BYTES = 64 * 1024 * 1024;

/** What the origin last said of all its channels. */
export interface ReleasesSnapshot extends ReleasesResponse {
  /** As it was sent. */
  readonly body: Buffer;
  readonly etag: string | undefined;
  /** When the origin last said or confirmed it. */
  readonly checkedMs: number;
}

export interface ReleasesOptions {
  readonly upstream: Upstream;
  readonly documents: CachedDocuments;
  readonly contract: Contract;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The origin's releases, kept so that checks can be answered without it, over restarts too. */
export class Releases {
  readonly #options: ReleasesOptions;
  #snapshot: ReleasesSnapshot | undefined;

  private constructor(options: ReleasesOptions) {
    this.#options = options;
  }

  /** With what an earlier run had kept. */
  static async open(options: ReleasesOptions): Promise<Releases> {
    const releases = new Releases(options);
    const kept = await options.documents.get(PATH);
    if (kept !== undefined) {
      const { body, etag, checkedMs } = kept;
      releases.#snapshot = { ...releases.#parse(body), body, etag, checkedMs };
    }
    return releases;
  }

  /** Undefined until the origin was heard once. */
  get snapshot(): ReleasesSnapshot | undefined {
    return this.#snapshot;
  }

  /** Seconds since the origin was last heard; undefined when it never was. */
  get ageSeconds(): number | undefined {
    if (this.#snapshot === undefined) return undefined;
    return Math.max(0, Math.floor((this.#options.clock() - this.#snapshot.checkedMs) / 1000));
  }

  facts(product: string, channel: string): ReleaseFacts | undefined {
    return this.#snapshot?.releases.find(
      (release) => release.product === product && release.channel === channel,
    );
  }

  ostreeFacts(product: string, ref: string): OstreeFacts | undefined {
    return this.#snapshot?.ostree?.refs.find(
      (facts) => facts.product === product && facts.channel === ref,
    );
  }

  /** False when an OSTree ref may exist of which the origin said nothing. */
  get tellsEveryRef(): boolean {
    return this.#snapshot?.ostree?.complete ?? false;
  }

  /** Asks the origin for what is new. Throws what {@link Upstream} throws; the old snapshot stays. */
  async refresh({ signal }: IoOptions = {}): Promise<void> {
    const { upstream, documents, clock } = this.#options;
    const known = this.#snapshot;
    const headers = known?.etag === undefined ? {} : { 'if-none-match': known.etag };
    const answer = await upstream.request({
      method: 'GET',
      path: PATH,
      headers,
      signal,
      attempts: 1,
    });
    // A cache above may not have heard its own origin for a while.
    const checkedMs = clock() - (ageOf(answer.headers) ?? 0) * 1000;
    if (answer.status === 304 && known !== undefined) {
      upstream.discard(answer);
      await documents.confirm(PATH, checkedMs);
      this.#snapshot = { ...known, checkedMs };
      return;
    }
    try {
      expectStatus(answer, PATH, [200]);
    } catch (error) {
      upstream.discard(answer);
      throw error;
    }
    const body = await upstream.readAll(answer, MAX_BYTES, signal);
    const { etag } = answer.headers;
    const snapshot = { ...this.#parse(body), body, etag, checkedMs };
    await documents.put(PATH, { etag, headers: {}, body, checkedMs });
    this.#snapshot = snapshot;
  }

  #parse(body: Buffer): ReleasesResponse {
    let value: unknown;
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch {
      throw new UpstreamError('refused', 'the releases are not JSON', { status: 200 });
    }
    const [fault] = this.#options.contract.faults('ReleasesResponse', value);
    if (fault === undefined) return value as ReleasesResponse;
    const what = `${fault.pointer} ${fault.message}`;
    throw new UpstreamError('refused', `the releases do not follow the contract: ${what}`, {
      status: 200,
    });
  }
}
