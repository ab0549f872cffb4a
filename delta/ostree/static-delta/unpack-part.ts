import { checkedBytes } from '../../../storage/byte-source.ts';
import { parseDigest } from '../../../storage/digest.ts';
import type { ByteSource, IoOptions } from '../../../storage/object-store.ts';
import { decompressXz } from '../../codecs/xz.ts';
import { DeltaError } from '../../errors.ts';
import { STATIC_DELTA_LIMITS } from './limits.ts';
import type { Spool } from './spool.ts';
import type { DeltaPart } from './superblock.ts';

/** What follows in a part file (`(yay)`): the payload as it is, or as one .xz stream. */
export const PART_TYPE = { raw: 0, xz: 'x'.charCodeAt(0) } as const;

/**
 * Unpacks a part file into the spool, which then holds its payload. Throws `size_mismatch` and
 * `digest_mismatch` when the file is not the promised one, `bad_format` for an unknown type and a
 * broken .xz stream, `too_large` past {@link STATIC_DELTA_LIMITS}, `aborted`.
 */
export async function unpackPart(
  source: ByteSource,
  part: DeltaPart,
  into: Spool,
  { what, signal }: IoOptions & { readonly what: string },
): Promise<void> {
  if (part.size > STATIC_DELTA_LIMITS.partBytes) {
    throw new DeltaError('too_large', `${what} has ${part.size} bytes`);
  }
  const expected = { digest: parseDigest(`sha256:${part.checksum}`), size: part.size };
  const bytes = checkedBytes(source, { what, signal, expected });
  try {
    const type = await firstByte(bytes, what);
    for await (const piece of payloadOf(type.byte, type.rest, bytes, { what, signal })) {
      await into.append(piece);
    }
  } finally {
    await bytes.return();
  }
}

/** Not a loop that returns in its first round: that would end the bytes for whoever reads on. */
async function firstByte(
  bytes: AsyncGenerator<Uint8Array, void>,
  what: string,
): Promise<{ readonly byte: number; readonly rest: Uint8Array }> {
  const first = await bytes.next();
  const byte = first.done === true ? undefined : first.value[0];
  if (first.done === true || byte === undefined) {
    throw new DeltaError('bad_format', `${what} is empty`);
  }
  return { byte, rest: first.value.subarray(1) };
}

function payloadOf(
  type: number,
  first: Uint8Array,
  more: AsyncIterable<Uint8Array>,
  { what, signal }: IoOptions & { readonly what: string },
): AsyncIterable<Uint8Array> {
  const maxBytes = STATIC_DELTA_LIMITS.payloadBytes;
  const body = joined(first, more);
  switch (type) {
    case PART_TYPE.raw:
      return body;
    case PART_TYPE.xz:
      return decompressXz(body, { maxBytes, signal });
    default:
      throw new DeltaError('bad_format', `${what} is of the unknown type ${type}`);
  }
}

async function* joined(
  first: Uint8Array,
  more: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first;
  yield* more;
}
