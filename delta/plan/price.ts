import type { RandomAccess } from '../../storage/random-access.ts';
import { compressFrame } from '../../storage/zstd.ts';
import { FRAME_WORK_BYTES, PIECE_BYTES } from '../format/limits.ts';
import { FrameBuilder } from './frame-builder.ts';
import type { PlainInstruction } from './instruction.ts';

/** Ranks candidates as the final compression does, at a hundredth of its time. */
const LEVEL = 6;

/** Estimated stored bytes of some instructions, none of them of a pair, that make `output` out of `bases`. */
export async function price(
  instructions: readonly PlainInstruction[],
  output: RandomAccess,
  bases: readonly RandomAccess[],
): Promise<number> {
  const builder = new FrameBuilder();
  let sum = 0;
  let at = 0;
  for (const instruction of instructions) {
    for (let done = 0; done < instruction.length;) {
      const length = Math.min(instruction.length - done, PIECE_BYTES);
      const fresh = await output.read(at, length);
      if (instruction.kind === 'literal') builder.literal(fresh);
      else {
        const base = bases[instruction.base];
        const offset = instruction.offset + done;
        const old = base === undefined ? fresh : await base.read(offset, length);
        builder.add(offset, old, fresh);
      }
      at += length;
      done += length;
      if (builder.workBytes >= FRAME_WORK_BYTES) sum += await settle(builder);
    }
  }
  return sum + (await settle(builder));
}

async function settle(builder: FrameBuilder): Promise<number> {
  let sum = 0;
  const { ops, sources, diffs, gaps, literals } = builder.finish();
  for (const stream of [ops, sources, diffs, gaps, literals]) {
    if (stream.length > 0) sum += (await compressFrame(stream, LEVEL)).length;
  }
  builder.clear();
  return sum;
}
