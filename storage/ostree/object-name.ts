import type { OstreeChecksum } from './checksum.ts';

/** The kinds of objects that are stored; `file` is a content object. */
export const OSTREE_KINDS = ['commit', 'dirtree', 'dirmeta', 'file'] as const;
export type OstreeKind = (typeof OSTREE_KINDS)[number];

/** An object's name: two objects of different kinds could have one checksum. */
export interface OstreeObjectName {
  readonly checksum: OstreeChecksum;
  readonly kind: OstreeKind;
}

/** The name as one string, for messages and as a key: `dirtree 9d3c...`. */
export function formatObjectName(name: OstreeObjectName): string {
  return `${name.kind} ${name.checksum}`;
}
