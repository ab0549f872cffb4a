/** What a client of an archive repository asks for. */
export type RequestKind = 'document' | 'superblock' | 'part' | 'object';

export const REQUEST_KINDS: readonly RequestKind[] = ['document', 'superblock', 'part', 'object'];

/** By the target of the request; documents are what changes: summary, config, refs, indexes, commitmeta. */
export function requestKind(target: string): RequestKind {
  if (/\/deltas\/[^/]+\/[^/]+\/superblock$/.test(target)) return 'superblock';
  if (/\/deltas\/[^/]+\/[^/]+\/\d+$/.test(target)) return 'part';
  return /\/objects\/[^/]+\/[^/]+\.(commit|dirtree|dirmeta|filez)$/.test(target)
    ? 'object'
    : 'document';
}
