import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';

/** Everything before a header's tag, which ends at `end`, once the tag was found to be right. */
export async function readTagged(
  source: RandomAccess,
  end: number,
  tagBytes: number,
  tagOf: (bytes: Uint8Array) => Buffer,
): Promise<Buffer> {
  if (end > source.size) {
    throw new DeltaError(
      'bad_format',
      `the delta is cut off in its header, at ${source.size} bytes`,
    );
  }
  const whole = await source.read(0, end);
  const tagged = whole.subarray(0, end - tagBytes);
  if (!tagOf(tagged).equals(whole.subarray(tagged.length))) {
    throw new DeltaError(
      'bad_format',
      'the header of the delta is damaged: its digest is another one',
    );
  }
  return tagged;
}
