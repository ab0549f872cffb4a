import { Writable } from 'node:stream';

import type { DeltaBase } from '../../delta/apply.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';

/** Old tars in memory. */
export function baseOf(tars: readonly Buffer[]): DeltaBase {
  const byDigest = new Map(tars.map((tar) => [digestOf(tar), new BufferAccess(tar)]));
  return { tar: (diffId) => Promise.resolve(byDigest.get(diffId)) };
}

/** Keeps what is written; remembers where each output was opened and with what error it was destroyed. */
export class MemorySink {
  readonly outputs = new Map<Digest, Buffer[]>();
  readonly errors: unknown[] = [];

  output = (output: { readonly diffId: Digest }): Promise<Writable> => {
    const parts: Buffer[] = [];
    this.outputs.set(output.diffId, parts);
    return Promise.resolve(
      new Writable({
        write: (bytes: Buffer, _encoding, done) => {
          parts.push(Buffer.from(bytes));
          done();
        },
        destroy: (error, done) => {
          if (error !== null) this.errors.push(error);
          done(error);
        },
      }),
    );
  };
}
