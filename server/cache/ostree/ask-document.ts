import type { IncomingHttpHeaders } from 'node:http';

import { digestOf } from '../../../storage/digest.ts';
import type { RepoName } from '../../../storage/names.ts';
import { parseHttpDate } from '../../ostree/http-dates.ts';
import { ageOf } from '../age.ts';
import type { Upstream } from '../upstream.ts';
import { expectStatus } from '../upstream-blobs.ts';
import { originPath } from './origin-path.ts';

/** A superblock of a million objects has 35 MB. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
const MEDIA_TYPE = /^[\w.+-]{1,127}\/[\w.+-]{1,127}(?:; charset=[\w-]{1,40})?$/;

/** A file that may change, as the origin answered. */
export interface AnsweredDocument {
  /** Undefined: there is none. */
  readonly body: Buffer | undefined;
  readonly mediaType: string | undefined;
  /** `Last-Modified`, milliseconds since the epoch. */
  readonly modifiedMs: number | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Seconds since a cache above last heard that; undefined: now. */
  readonly staleSeconds: number | undefined;
}

/** The file is as it was known. */
export type UnchangedDocument = { readonly unchanged: true } & Pick<
  AnsweredDocument,
  'staleSeconds'
>;

/**
 * Asks the origin for a file, `known` being what was there the last time. Throws `unavailable` at once
 * while the origin is known to be gone, `UpstreamError` for what it refuses.
 */
export async function askDocument(
  upstream: Upstream,
  repo: RepoName,
  inside: string,
  known: Buffer | undefined,
): Promise<AnsweredDocument | UnchangedDocument> {
  const path = originPath(repo, inside);
  // The origin's ETag is made of the bytes alone.
  const headers = known === undefined ? {} : { 'if-none-match': `"${digestOf(known)}"` };
  const answer = await upstream.request({ method: 'GET', path, headers, failFast: true });
  const { status, headers: got } = answer;
  const staleSeconds = ageOf(got);
  if (status === 304 && known !== undefined) {
    upstream.discard(answer);
    return { unchanged: true, staleSeconds };
  }
  if (status === 404) {
    upstream.discard(answer);
    const nothing = { body: undefined, mediaType: undefined, modifiedMs: undefined };
    return { ...nothing, headers: got, staleSeconds };
  }
  try {
    expectStatus(answer, path, [200]);
  } catch (error) {
    upstream.discard(answer);
    throw error;
  }
  const body = await upstream.readAll(answer, MAX_DOCUMENT_BYTES);
  const type = got['content-type'] ?? '';
  const seconds = parseHttpDate(got['last-modified'] ?? '');
  return {
    body,
    mediaType: MEDIA_TYPE.test(type) ? type : undefined,
    modifiedMs: seconds === undefined ? undefined : seconds * 1000,
    headers: got,
    staleSeconds,
  };
}
