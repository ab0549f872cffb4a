import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { DeltaHeader } from './facts.ts';
import { readHeaderV1 } from './header-v1.ts';
import { readHeaderV2, writeHeaderV2 } from './header-v2.ts';
import type { Effort } from './stream.ts';
import { tag4 } from './tag.ts';

export const MAGIC = Buffer.from('RVLD');
/** The format version that this program writes. */
export const VERSION = 2;
/** Those that it reads. */
export const KNOWN_VERSIONS: readonly number[] = [1, 2];

/** The file's beginning, up to the first frame, in version 2. */
export async function formatHeader(header: DeltaHeader, effort: Effort): Promise<Buffer> {
  const out = new ByteWriter().bytes(MAGIC).byte(VERSION);
  await writeHeaderV2(out, header, effort);
  return Buffer.from(out.bytes(tag4(out.view())).view());
}

/** More than the longest header of a file, and than what stands before an image's. */
const PREFIX_BYTES = 128;

/**
 * Reads and checks a delta's header. Throws `unsupported_version`, or `bad_format` for anything that
 * breaks FORMAT.md.
 */
export async function readHeader(
  source: RandomAccess,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const prefix = await source.read(0, Math.min(PREFIX_BYTES, source.size));
  const reader = new ByteReader(prefix, 'the delta');
  if (prefix.length < 5 || !reader.bytes(4).equals(MAGIC)) {
    throw new DeltaError('bad_format', 'not a delta: it does not begin with "RVLD"');
  }
  const version = reader.byte();
  if (!KNOWN_VERSIONS.includes(version)) {
    throw new DeltaError(
      'unsupported_version',
      `the delta has format version ${version}; this program reads versions ${KNOWN_VERSIONS.join(' and ')}: use a newer one`,
      { detail: { version, known: KNOWN_VERSIONS } },
    );
  }
  const read = await (version === 1 ? readHeaderV1 : readHeaderV2)(source, reader);
  const size = read.framesOffset + read.header.framesBytes;
  if (size !== source.size) {
    throw new DeltaError(
      'bad_format',
      `the delta has ${source.size} bytes where its header promises ${size}`,
      { detail: { expected: size, actual: source.size } },
    );
  }
  return read;
}
