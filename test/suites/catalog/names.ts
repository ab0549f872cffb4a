import { digestOf, type Digest } from '../../../storage/digest.ts';
import { parseUploadId, type UploadId } from '../../../storage/keys.ts';
import { parseRepoName, parseTag } from '../../../storage/names.ts';

export const REPO = parseRepoName('fleet/app');
export const OTHER = parseRepoName('fleet/other');
export const STABLE = parseTag('stable');
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** A digest that stands for `text`. */
export function named(text: string): Digest {
  return digestOf(Buffer.from(text));
}

export function uploadId(n: number): UploadId {
  return parseUploadId(n.toString(16).padStart(32, '0'));
}

export function manifest(text: string) {
  return { digest: named(text), mediaType: MANIFEST_TYPE, size: text.length };
}

/** A clock that tests move. */
export class TestClock {
  nowMs = 1_700_000_000_000;
  readonly read = (): number => this.nowMs;
}
