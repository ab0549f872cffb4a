/**
 * One step of a bsdiff stream: `diffLength` bytes that resemble the old ones from `oldOffset`, then
 * `extraLength` bytes that come from nowhere. Segments stand in the order of the new bytes and cover
 * all of them; the range of a diff lies within the old bytes.
 */
export interface Segment {
  readonly oldOffset: number;
  readonly diffLength: number;
  readonly extraLength: number;
}

/**
 * A way to find what changed between two files in memory. The same input always gives the same
 * segments.
 */
export interface Matcher {
  match(old: Uint8Array, fresh: Uint8Array): readonly Segment[] | Promise<readonly Segment[]>;
}

/** Bytes of the three numbers of a bsdiff stream that a segment begins with. */
export const TRIPLE_BYTES = 24;
