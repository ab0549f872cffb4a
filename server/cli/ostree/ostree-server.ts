import { Readable } from 'node:stream';

import {
  isChecksum,
  parseChecksum,
  type Checksum,
} from '../../../delta/ostree/objects/checksum.ts';
import { objectFileName, type ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import type { RefName } from '../../../delta/ostree/ref-name.ts';
import type { RepoName } from '../../../storage/names.ts';
import { ServerError } from '../../errors.ts';
import { ask, refused, type HttpAnswer, type HttpAsk } from '../http-client.ts';
import { isSuccess, jsonBody, parseJson, refusal, unexpected } from './answers.ts';
import type { Multipart } from './multipart.ts';
import { isTransient, retrying } from './retry.ts';

/** The most names that the server takes in one question. */
export const MAX_NAMES = 8192;

/** What a ref must be for it to move: a commit, absent (null), or whatever it is. */
export type Expected = Checksum | null | 'any';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** An OSTree repository of a server, to be pushed to (openapi.yaml, `/ostree/{repo}/push/`). */
export class OstreeServer {
  readonly repo: RepoName;
  readonly #server: URL;
  readonly #headers: Readonly<Record<string, string>>;

  /** `token`: sent as a bearer token, if the server wants one. */
  constructor(server: URL, repo: RepoName, token?: string) {
    this.repo = repo;
    this.#server = server;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** The commit that a ref stands for; undefined when there is no such ref. */
  async readRef(ref: RefName, options: CallOptions = {}): Promise<Checksum | undefined> {
    const url = this.#url(`refs/heads/${ref}`);
    const answer = await this.#askOften(url, { method: 'GET', ...options });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusal(url, 'GET', answer);
    return parseChecksum(answer.body.toString('latin1').trim());
  }

  /** Which of the objects (at most {@link MAX_NAMES}) the server lacks. */
  async missing(
    names: readonly ObjectName[],
    options: CallOptions = {},
  ): Promise<readonly ObjectName[]> {
    const url = this.#url('push/missing');
    const body = jsonBody({ objects: names.map(objectFileName) });
    const answer = await this.#askOften(url, { method: 'POST', ...body, ...options });
    if (answer.status !== 200) throw refusal(url, 'POST', answer);
    const { missing } = parseJson(url, answer);
    if (!Array.isArray(missing)) throw unexpected(url, 'no list "missing"');
    const wanted = new Set<unknown>(missing);
    return names.filter((name) => wanted.has(objectFileName(name)));
  }

  /**
   * Sends objects; what came before a fault is kept by the server. Not tried again here: `retryable`
   * means to ask what is missing and to send that.
   */
  async sendObjects({ contentType, body }: Multipart, options: CallOptions = {}): Promise<void> {
    const url = this.#url('push/objects');
    const answer = await this.#ask(url, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: Readable.from(body, { objectMode: false }),
      ...options,
    });
    if (isSuccess(answer)) return;
    const { code, message, detail } = refusal(url, 'POST', answer);
    // The server's collector took away what it relied on.
    throw new ServerError(code, message, { detail, retryable: answer.status === 409 });
  }

  /** Sends a commit's detached metadata, whose signatures the server adds to those it has. */
  async sendCommitmeta(commit: Checksum, bytes: Buffer, options: CallOptions = {}): Promise<void> {
    const url = this.#url(`push/commitmeta/${commit}`);
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await this.#askOften(url, { method: 'PUT', headers, body: bytes, ...options });
    if (!isSuccess(answer)) throw refusal(url, 'PUT', answer);
  }

  /**
   * Moves a ref if it is what was expected; a ref that is at the commit already counts as moved.
   * Throws `refused`, naming both commits, when it is another.
   */
  async moveRef(
    ref: RefName,
    commit: Checksum,
    expected: Expected,
    options: CallOptions = {},
  ): Promise<void> {
    const url = this.#url(`push/refs/${ref}`);
    const body = jsonBody({ commit, expected });
    const answer = await this.#askOften(url, { method: 'PUT', ...body, ...options });
    if (isSuccess(answer)) return;
    if (answer.status === 409) {
      const now = (await this.readRef(ref, options)) ?? null;
      // The answer got lost, and the second try found the ref moved by the first.
      if (now === commit) return;
      if (expected !== 'any' && now !== expected) throw this.#moved(ref, commit, expected, now);
    }
    throw refusal(url, 'PUT', answer);
  }

  /** Has the server make a commit of a tar and move the ref to it; the commit. Not tried again here. */
  async sendRootfs(
    query: URLSearchParams,
    tar: Readable,
    options: CallOptions = {},
  ): Promise<Checksum> {
    const url = this.#url(`push/rootfs?${query.toString()}`);
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await this.#ask(url, { method: 'POST', headers, body: tar, ...options });
    if (!isSuccess(answer)) throw refusal(url, 'POST', answer);
    const { commit } = parseJson(url, answer);
    if (typeof commit !== 'string' || !isChecksum(commit)) throw unexpected(url, 'no "commit"');
    return commit;
  }

  #moved(
    ref: RefName,
    commit: Checksum,
    expected: Checksum | null,
    now: Checksum | null,
  ): ServerError {
    return new ServerError(
      'refused',
      `the ref ${ref} of ${this.repo} moved during the push: it is ${now ?? 'gone'} where ` +
        `${expected ?? 'no commit'} was expected, so ${commit} was not put in its place; ` +
        'push again, or with --force whatever it is',
      { detail: { status: 409, now, expected, commit } },
    );
  }

  #askOften(url: URL, options: HttpAsk): Promise<HttpAnswer> {
    return retrying(() => this.#ask(url, options), options.signal);
  }

  /** Throws `unreachable` for answers that another try may change, too. */
  async #ask(url: URL, options: HttpAsk): Promise<HttpAnswer> {
    const headers = { ...this.#headers, ...options.headers };
    const answer = await ask(url, { ...options, headers });
    if (!isTransient(answer.status)) return answer;
    const { code, message, detail } = refused(url, options.method, answer);
    throw new ServerError(code, message, { detail, retryable: true });
  }

  #url(path: string): URL {
    return new URL(`/ostree/${this.repo}/${path}`, this.#server);
  }
}
