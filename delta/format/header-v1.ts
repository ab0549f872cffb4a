import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader } from './bytes.ts';
import { KINDS, type DeltaHeader } from './facts.ts';
import { readImageFacts, readLists } from './header-fields.ts';
import { readTagged } from './header-tag.ts';
import { LIMITS } from './limits.ts';
import { readStreamHead } from './stream-head.ts';
import { unpackStream } from './stream.ts';
import { TAG_BYTES, tag16 } from './tag.ts';

/** Reads the header that begins at `reader`, after the version (FORMAT.md, "Version 1"). */
export async function readHeaderV1(
  source: RandomAccess,
  reader: ByteReader,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const head = readStreamHead(reader, LIMITS.headerBytes);
  const bodyOffset = reader.offset;
  const framesOffset = bodyOffset + head.storedBytes + TAG_BYTES;
  const tagged = await readTagged(source, framesOffset, TAG_BYTES, tag16);
  const header = parseBody(await unpackStream(head, tagged.subarray(bodyOffset)));
  return { header, framesOffset };
}

function parseBody(bytes: Buffer): DeltaHeader {
  const reader = new ByteReader(bytes, 'the header of the delta');
  const kind = KINDS[reader.byte()];
  if (kind === undefined) throw new DeltaError('bad_format', 'the delta is of an unknown kind');
  const ramBytes = reader.varint();
  const framesBytes = reader.varint();
  const { base, outputs } = readLists(reader);
  const image = kind === 'image' ? readImageFacts(reader) : undefined;
  reader.end();
  if (
    kind !== 'image' &&
    (base.length !== 1 || outputs.length !== 1 || outputs[0]?.reuse !== false)
  ) {
    throw new DeltaError('bad_format', `a ${kind} delta needs one base file and one output`);
  }
  return { version: 1, kind, ramBytes, framesBytes, base, outputs, isWhole: false, image };
}
