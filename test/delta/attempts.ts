import { Writable } from 'node:stream';
import { expect } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { DeltaError } from '../../delta/errors.ts';
import { StorageError } from '../../storage/errors.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { noise } from './support.ts';

export interface Sample {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly delta: Buffer;
}

/** Applies and says what came out; anything but the right bytes or a coded error is a failure. */
export async function attempt({ old, fresh }: Sample, delta: Buffer): Promise<string> {
  const parts: Buffer[] = [];
  let destroyed: unknown;
  let bytes = 0;
  try {
    const file = await openDelta(new BufferAccess(delta));
    await applyDelta(
      file,
      { tar: () => Promise.resolve(new BufferAccess(old)) },
      {
        output: () =>
          Promise.resolve(
            new Writable({
              write: (piece: Buffer, _encoding, done) => {
                bytes += piece.length;
                expect(bytes).toBeLessThanOrEqual(file.outputs[0]?.size ?? 0);
                parts.push(Buffer.from(piece));
                done();
              },
              destroy: (error, done) => {
                destroyed = error;
                done(error);
              },
            }),
          ),
      },
    );
  } catch (error) {
    if (!(error instanceof DeltaError || error instanceof StorageError)) throw error;
    // A sink that was opened is told, unless its output was complete and right before the fault.
    if (parts.length > 0 && destroyed !== error) {
      expect(Buffer.concat(parts).equals(fresh)).toBe(true);
    }
    return error.code;
  }
  expect(Buffer.concat(parts).equals(fresh)).toBe(true);
  return 'right';
}

/** One mutation: a byte, a bit, a cut, bytes put in or taken out. */
export function mutated(bytes: Buffer, next: () => number): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  const at = next() % copy.length;
  switch (next() % 5) {
    case 0:
      copy[at] = next() & 0xff;
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy.subarray(0, at), noise(next() % 9, next()), copy.subarray(at)]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + (next() % 9))]);
    default:
      copy[at] = (copy[at] ?? 0) ^ (1 << (next() % 8));
      return copy;
  }
}
