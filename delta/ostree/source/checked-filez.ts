import type { Checksum } from '../objects/checksum.ts';
import { readFilez } from '../objects/filez-read.ts';
import type { SourceOptions } from './object-source.ts';

/**
 * The bytes of a `.filez` as they are, checked on their way by unpacking them: the last part is held
 * back until the checksum is right, so that a broken object never gets through whole. Throws as
 * {@link readFilez}.
 */
export async function* checkedFilez(
  source: AsyncIterable<Uint8Array>,
  checksum: Checksum,
  { signal }: SourceOptions = {},
): AsyncGenerator<Buffer, void> {
  const passed: Buffer[] = [];
  const filez = await readFilez(noting(source, passed), { checksum, signal });
  try {
    for await (const part of filez.content) {
      // Parts of content are asked for to be checked; what is sent is what they were made from.
      if (part.length > 0 && passed.length > 1) yield* passed.splice(0, passed.length - 1);
    }
    yield* passed;
  } finally {
    filez.close();
  }
}

async function* noting(
  source: AsyncIterable<Uint8Array>,
  passed: Buffer[],
): AsyncGenerator<Buffer, void> {
  for await (const part of source) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    passed.push(bytes);
    yield bytes;
  }
}
