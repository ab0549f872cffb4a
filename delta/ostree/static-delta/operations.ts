import { DeltaError } from '../../errors.ts';
import { ByteReader, ByteWriter } from '../../format/bytes.ts';
import type { PartObject } from './object-list.ts';

/**
 * What a part does, step by step (libostree's `OSTREE_STATIC_DELTA_OP_...`). `mode` and `xattrs` are
 * positions in the part's tables, `offset` is a place in its blob unless said otherwise. An object is
 * made by one `splice-metadata` or `splice-file`, or by all from an `open` to its `close`.
 */
export type Operation =
  /** The next object is a metadata object: that slice of the blob. */
  | { readonly kind: 'splice-metadata'; readonly length: number; readonly offset: number }
  /** The next object is a file with that slice as its content, or as its target if it is a symlink. */
  | {
      readonly kind: 'splice-file';
      readonly mode: number;
      readonly xattrs: number;
      readonly length: number;
      readonly offset: number;
    }
  /** Begins the next object, a regular file of that size. */
  | {
      readonly kind: 'open';
      readonly mode: number;
      readonly xattrs: number;
      readonly length: number;
    }
  /** Appends bytes of the read source at `offset` while one is set, else of the blob. */
  | { readonly kind: 'write'; readonly length: number; readonly offset: number }
  /** The read source is from now on the file whose 32-byte checksum stands at `offset`. */
  | { readonly kind: 'set-read-source'; readonly offset: number }
  | { readonly kind: 'unset-read-source' }
  /** Makes the whole object from the read source by the bsdiff stream in that slice of the blob. */
  | { readonly kind: 'bspatch'; readonly offset: number; readonly length: number }
  /** Ends the object and unsets the read source. */
  | { readonly kind: 'close' };

const CODE = {
  splice: 'S'.charCodeAt(0),
  open: 'o'.charCodeAt(0),
  write: 'w'.charCodeAt(0),
  setReadSource: 'r'.charCodeAt(0),
  unsetReadSource: 'R'.charCodeAt(0),
  close: 'c'.charCodeAt(0),
  bspatch: 'B'.charCodeAt(0),
} as const;

/** Appends an operation: its letter, then its arguments as LEB128 numbers. */
export function writeOperation(to: ByteWriter, operation: Operation): void {
  switch (operation.kind) {
    case 'splice-metadata':
      to.byte(CODE.splice).varint(operation.length).varint(operation.offset);
      return;
    case 'splice-file':
      to.byte(CODE.splice).varint(operation.mode).varint(operation.xattrs);
      to.varint(operation.length).varint(operation.offset);
      return;
    case 'open':
      to.byte(CODE.open).varint(operation.mode).varint(operation.xattrs).varint(operation.length);
      return;
    case 'write':
      to.byte(CODE.write).varint(operation.length).varint(operation.offset);
      return;
    case 'set-read-source':
      to.byte(CODE.setReadSource).varint(operation.offset);
      return;
    case 'unset-read-source':
      to.byte(CODE.unsetReadSource);
      return;
    case 'bspatch':
      to.byte(CODE.bspatch).varint(operation.offset).varint(operation.length);
      return;
    case 'close':
      to.byte(CODE.close);
  }
}

/** An operation and the object that it makes or works on; undefined for sources set beforehand. */
export interface Step {
  readonly operation: Operation;
  readonly object: PartObject | undefined;
}

/**
 * Reads a part's operations; what a splice says depends on the object that is next. Throws
 * `bad_format` for an unknown letter, numbers that are broken or past 2^53, operations in an order
 * that makes no sense, and when they make fewer or more objects than listed.
 */
export function* readOperations(
  bytes: Uint8Array,
  objects: readonly PartObject[],
  what: string,
): Generator<Step> {
  const reader = new ByteReader(bytes, `the operations of ${what}`);
  let next = 0;
  let isOpen = false;
  while (reader.left > 0) {
    const object = objects[next];
    const operation = readOperation(reader, object, what);
    const needsOpen = OPEN_ONLY.has(operation.kind);
    if (OBJECT_KINDS.has(operation.kind) && isOpen !== needsOpen) {
      throw broken(what, `a ${operation.kind} ${isOpen ? 'inside' : 'outside'} an open object`);
    }
    yield { operation, object };
    if (operation.kind === 'open') isOpen = true;
    if (ENDS_OBJECT.has(operation.kind)) {
      isOpen = false;
      next += 1;
    }
  }
  if (isOpen) throw broken(what, 'the last object is never closed');
  if (next !== objects.length) {
    throw broken(what, `${next} objects made where ${objects.length} are listed`);
  }
}

type Kind = Operation['kind'];

const OPEN_ONLY: ReadonlySet<Kind> = new Set(['write', 'bspatch', 'close']);
const ENDS_OBJECT: ReadonlySet<Kind> = new Set(['splice-metadata', 'splice-file', 'close']);
const OBJECT_KINDS: ReadonlySet<Kind> = new Set([...OPEN_ONLY, ...ENDS_OBJECT, 'open']);

function readOperation(
  reader: ByteReader,
  object: PartObject | undefined,
  what: string,
): Operation {
  const code = reader.byte();
  switch (code) {
    case CODE.splice:
      return readSplice(reader, object, what);
    case CODE.open:
      if (object?.kind !== 'file') throw broken(what, `an open where ${nameOf(object)} is next`);
      return {
        kind: 'open',
        mode: reader.varint(),
        xattrs: reader.varint(),
        length: reader.varint(),
      };
    case CODE.write:
      return { kind: 'write', length: reader.varint(), offset: reader.varint() };
    case CODE.setReadSource:
      return { kind: 'set-read-source', offset: reader.varint() };
    case CODE.unsetReadSource:
      return { kind: 'unset-read-source' };
    case CODE.close:
      return { kind: 'close' };
    case CODE.bspatch:
      return { kind: 'bspatch', offset: reader.varint(), length: reader.varint() };
    default:
      throw broken(what, `an unknown operation ${code}`);
  }
}

function readSplice(reader: ByteReader, object: PartObject | undefined, what: string): Operation {
  if (object === undefined) throw broken(what, 'more objects made than are listed');
  if (object.kind !== 'file') {
    return { kind: 'splice-metadata', length: reader.varint(), offset: reader.varint() };
  }
  return {
    kind: 'splice-file',
    mode: reader.varint(),
    xattrs: reader.varint(),
    length: reader.varint(),
    offset: reader.varint(),
  };
}

function nameOf(object: PartObject | undefined): string {
  return object === undefined ? 'nothing' : `a ${object.kind}`;
}

function broken(what: string, problem: string): DeltaError {
  return new DeltaError('bad_format', `the operations of ${what}: ${problem}`);
}
