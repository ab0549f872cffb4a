import { Writable } from 'node:stream';

import { applyDelta, openDelta, type DeltaOutput } from '../../delta/apply.ts';
import { isDigestOf } from '../../delta/format/facts.ts';
import { digestAlgorithm, digestOf } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { Wrong } from './target.ts';

/** What an output got. */
interface Made {
  readonly output: DeltaOutput;
  readonly parts: Buffer[];
  isFinished: boolean;
}

/**
 * Opens and applies a delta over `old`, going on after `existing` if it is given. Whatever happens,
 * no output gets more bytes than promised, and one that is finished has the promised digest.
 */
export async function applyOnce(
  bytes: Buffer,
  old: Buffer,
  existing: Buffer | undefined,
): Promise<void> {
  const delta = await openDelta(new BufferAccess(bytes));
  const made: Made[] = [];
  try {
    await applyDelta(
      delta,
      { tar: () => Promise.resolve(new BufferAccess(old)) },
      {
        ...(existing === undefined
          ? {}
          : { existing: () => Promise.resolve(new BufferAccess(existing)) }),
        output: (output, start) => {
          const kept = existing?.subarray(0, start) ?? Buffer.alloc(0);
          if (kept.length !== start) throw new Wrong(`goes on at ${start} of ${kept.length} bytes`);
          const entry: Made = { output, parts: [kept], isFinished: false };
          made.push(entry);
          return Promise.resolve(collect(entry));
        },
      },
    );
    const wanted = delta.outputs.filter((output) => !output.reuse).length;
    const finished = made.filter((entry) => entry.isFinished).length;
    if (finished !== wanted) throw new Wrong(`${finished} outputs instead of ${wanted}`);
  } finally {
    for (const entry of made) if (entry.isFinished) checkOutput(entry);
  }
}

function collect(entry: Made): Writable {
  let size = entry.parts.reduce((sum, { length }) => sum + length, 0);
  return new Writable({
    write: (piece: Buffer, _encoding, done) => {
      size += piece.length;
      entry.parts.push(Buffer.from(piece));
      const bound = entry.output.size;
      done(size > bound ? new Wrong(`${size} bytes, ${bound} promised`) : null);
    },
    final: (done) => {
      entry.isFinished = true;
      done();
    },
  });
}

function checkOutput({ output: { diffId, size }, parts }: Made): void {
  const bytes = Buffer.concat(parts);
  if (bytes.length !== size) throw new Wrong(`${bytes.length} bytes, ${size} promised`);
  if (!isDigestOf(diffId, digestOf(bytes, digestAlgorithm(diffId)))) {
    throw new Wrong(`finished ${diffId} with other bytes`);
  }
}
