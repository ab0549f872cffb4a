import { tmpdir } from 'node:os';

import { ByteWriter } from '../../../../delta/format/bytes.ts';
import { checksumOf } from '../../../../delta/ostree/objects/checksum.ts';
import { applyStaticDelta } from '../../../../delta/ostree/static-delta/apply.ts';
import type { PartObject } from '../../../../delta/ostree/static-delta/object-list.ts';
import {
  writeOperation,
  type Operation,
} from '../../../../delta/ostree/static-delta/operations.ts';
import { formatPayload, type FileMode } from '../../../../delta/ostree/static-delta/payload.ts';
import type { DeltaPart } from '../../../../delta/ostree/static-delta/superblock.ts';
import { MemoryRepo, MemorySink, REGULAR } from './memory-repo.ts';

/** A part written by hand; what is absent is one plain mode and no xattrs. */
export interface HandMadePart {
  readonly objects: readonly PartObject[];
  readonly operations: readonly Operation[] | Buffer;
  readonly blob?: Buffer;
  readonly modes?: readonly FileMode[];
  /** Counted from the operations when absent. */
  readonly contentBytes?: number;
}

export const PLAIN: FileMode = { uid: 0, gid: 0, mode: REGULAR };

/** The payload's bytes. */
export function payloadOf(part: HandMadePart): Buffer {
  const { operations, blob = Buffer.alloc(0), modes = [PLAIN] } = part;
  const { head, tail } = formatPayload({
    modes,
    xattrs: [[]],
    blobBytes: blob.length,
    operations: Buffer.isBuffer(operations) ? operations : operationBytes(operations),
  });
  return Buffer.concat([head, blob, tail]);
}

export function operationBytes(operations: readonly Operation[]): Buffer {
  const writer = new ByteWriter();
  for (const operation of operations) writeOperation(writer, operation);
  return Buffer.from(writer.view());
}

/** The part as a superblock lists it and its file, which is not compressed. */
export function partOf(part: HandMadePart): { readonly part: DeltaPart; readonly file: Buffer } {
  const file = Buffer.concat([Buffer.of(0), payloadOf(part)]);
  const contentBytes = part.contentBytes ?? contentOf(part.operations);
  const { objects } = part;
  return { part: { checksum: checksumOf(file), size: file.length, contentBytes, objects }, file };
}

/** Applies one part to what a repository holds. */
export async function applyHandMade(
  repo: MemoryRepo,
  made: { readonly part: DeltaPart; readonly file: Uint8Array },
): Promise<MemorySink> {
  const sink = new MemorySink();
  const commit = Buffer.alloc(0);
  await applyStaticDelta({
    superblock: {
      timestamp: 0n,
      from: undefined,
      to: checksumOf(commit),
      commit,
      commitmeta: undefined,
      parts: [made.part],
      fallbacks: [],
    },
    readPart: () => [made.file],
    openBase: (checksum) => repo.openContent({ checksum }),
    sink,
    scratch: tmpdir(),
  });
  return sink;
}

function contentOf(operations: readonly Operation[] | Buffer): number {
  if (Buffer.isBuffer(operations)) return 0;
  return operations.reduce((total, operation) => {
    switch (operation.kind) {
      case 'splice-metadata':
      case 'splice-file':
      case 'open':
        return total + operation.length;
      default:
        return total;
    }
  }, 0);
}
