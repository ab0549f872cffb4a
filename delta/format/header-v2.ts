import { digestBytes } from '../../storage/digest.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { digestFromTag, KINDS, type DeltaHeader, type DeltaKind, type FileFacts } from './facts.ts';
import {
  checkTotal,
  readImageFacts,
  readLists,
  writeImageFacts,
  writeLists,
} from './header-fields.ts';
import { readTagged } from './header-tag.ts';
import { LIMITS } from './limits.ts';
import { METHOD, type StreamHead } from './stream-head.ts';
import { packStream, unpackStream, type Effort } from './stream.ts';
import { SHORT_TAG_BYTES, TAG_BYTES, tag4 } from './tag.ts';

const MIB = 1024 * 1024;
const FORM_WHOLE = 1;

/** Writes the header, after the version (FORMAT.md, "Header"). */
export async function writeHeaderV2(
  to: ByteWriter,
  header: DeltaHeader,
  effort: Effort,
): Promise<void> {
  const kind = KINDS.indexOf(header.kind);
  const [base] = header.base;
  const [output] = header.outputs;
  if (header.image === undefined) {
    if (base === undefined || output === undefined) throw new RangeError('a file has one base');
    to.byte(kind + 4 * (header.isWhole ? FORM_WHOLE : 0)).varint(mebibytes(header.ramBytes));
    for (const file of [base, output]) {
      to.varint(file.size).bytes(digestBytes(file.diffId).subarray(0, TAG_BYTES));
    }
    return;
  }
  const body = new ByteWriter().varint(mebibytes(header.ramBytes)).varint(header.framesBytes);
  writeLists(body, header.base, header.outputs);
  writeImageFacts(body, header.image);
  const packed = await packStream(body.view(), effort);
  to.byte(kind + 4 * packed.method).varint(packed.rawBytes);
  if (packed.method !== METHOD.stored) to.varint(packed.stored.length);
  to.bytes(packed.stored);
}

/** Reads the header that begins at `reader`, after the version. */
export async function readHeaderV2(
  source: RandomAccess,
  reader: ByteReader,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const first = reader.byte();
  const kind = KINDS[first % 4];
  const form = first >> 2;
  if (kind === 'image') return readImageHeader(source, reader, form);
  if (kind === undefined || form > (kind === 'file' ? FORM_WHOLE : 0)) {
    throw new DeltaError('bad_format', `the delta is of an unknown kind (${first})`);
  }
  return readFileHeader(source, reader, kind, form === FORM_WHOLE);
}

async function readFileHeader(
  source: RandomAccess,
  reader: ByteReader,
  kind: DeltaKind,
  isWhole: boolean,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const ramBytes = readMemory(reader);
  const readFile = (): FileFacts => {
    const size = reader.varint();
    return { diffId: digestFromTag(reader.bytes(TAG_BYTES)), size };
  };
  const base = [readFile()];
  const outputs = [{ ...readFile(), reuse: false }];
  const framesOffset = reader.offset + SHORT_TAG_BYTES;
  await readTagged(source, framesOffset, SHORT_TAG_BYTES, tag4);
  const framesBytes = source.size - framesOffset;
  const header = { version: 2, kind, ramBytes, framesBytes, base, outputs, isWhole } as const;
  return { header, framesOffset };
}

async function readImageHeader(
  source: RandomAccess,
  prefix: ByteReader,
  method: number,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const head = readBodyHead(prefix, method);
  const bodyOffset = prefix.offset;
  const framesOffset = bodyOffset + head.storedBytes + SHORT_TAG_BYTES;
  const tagged = await readTagged(source, framesOffset, SHORT_TAG_BYTES, tag4);
  const body = await unpackStream(head, tagged.subarray(bodyOffset));
  const reader = new ByteReader(body, 'the header of the delta');
  const ramBytes = readMemory(reader);
  const framesBytes = reader.varint();
  const { base, outputs } = readLists(reader);
  checkTotal([...base, ...outputs]);
  const image = readImageFacts(reader);
  reader.end();
  return {
    header: {
      ...{ version: 2, kind: 'image', ramBytes, framesBytes, base, outputs },
      isWhole: false,
      image,
    },
    framesOffset,
  };
}

function readBodyHead(reader: ByteReader, method: number): StreamHead {
  if (method === METHOD.empty || method > METHOD.brotli) {
    throw new DeltaError('bad_format', `a header is stored by the unknown method ${method}`);
  }
  const rawBytes = reader.varint(LIMITS.headerBytes);
  const storedBytes =
    method === METHOD.stored ? rawBytes : reader.varint(Math.max(rawBytes - 1, 0));
  return { method, rawBytes, storedBytes };
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / MIB);
}

function readMemory(reader: ByteReader): number {
  return reader.varint(Math.floor(Number.MAX_SAFE_INTEGER / MIB)) * MIB;
}
