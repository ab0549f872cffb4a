import { createHash } from 'node:crypto';

import type { OstreeChild } from '../../../storage/catalog/ostree-catalog.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import type { OstreeKind, OstreeObjectName } from '../../../storage/ostree/object-name.ts';

/** An object held in memory. The store does not know OSTree's formats, so these need none. */
export interface MadeObject {
  readonly name: OstreeObjectName;
  readonly header?: Buffer | undefined;
  readonly content: Buffer;
  readonly children: readonly OstreeChild[];
}

function made(
  kind: OstreeKind,
  content: Buffer,
  children: readonly OstreeChild[],
  header?: Buffer,
): MadeObject {
  const hash = createHash('sha256')
    .update(header ?? '')
    .update(content)
    .update(JSON.stringify(children));
  const name = { checksum: parseOstreeChecksum(hash.digest('hex')), kind };
  return { name, content, children, ...(header !== undefined && { header }) };
}

export function file(content: Buffer | string, mode = '0644'): MadeObject {
  return made('file', Buffer.from(content), [], Buffer.from(`mode ${mode}`));
}

export function dirmeta(text: string): MadeObject {
  return made('dirmeta', Buffer.from(text), []);
}

export function dirtree(children: readonly MadeObject[]): MadeObject {
  const text = children.map(({ name }) => name.checksum).join('\n');
  return made(
    'dirtree',
    Buffer.from(text),
    children.map(({ name }) => name),
  );
}

export function commit(
  subject: string,
  tree: MadeObject,
  meta: MadeObject,
  parent?: MadeObject,
): MadeObject {
  const history = parent === undefined ? [] : [{ ...parent.name, history: true as const }];
  return made('commit', Buffer.from(subject), [tree.name, meta.name, ...history]);
}

/** A commit of those files in one folder, and all that it needs; the commit comes first. */
export function smallCommit(
  subject: string,
  files: readonly MadeObject[],
  parent?: MadeObject,
): readonly [MadeObject, ...MadeObject[]] {
  const meta = dirmeta('root 0755');
  const tree = dirtree(files);
  return [commit(subject, tree, meta, parent), tree, meta, ...files];
}

/** The objects as they arrive, each content in pieces of at most so many bytes. */
export async function* incoming(
  objects: Iterable<MadeObject>,
  pieceBytes = 65_536,
): AsyncGenerator<IncomingObject, void, undefined> {
  for (const { name, header, content, children } of objects) {
    await Promise.resolve();
    yield { name, header, children, size: content.length, content: pieces(content, pieceBytes) };
  }
}

/** An object whose content turns out to be another's at its very end. */
export function forged(object: MadeObject, error: Error): IncomingObject {
  const { name, header, content, children } = object;
  async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* pieces(content, 65_536);
    throw error;
  }
  return { name, header, children, size: content.length, content: failing() };
}

async function* pieces(
  bytes: Buffer,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await Promise.resolve();
    yield bytes.subarray(at, at + pieceBytes);
  }
}
