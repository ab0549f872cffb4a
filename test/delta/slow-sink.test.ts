import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';

import { applyDelta, openDelta } from '../../delta/apply.ts';
import { buildFileDelta } from '../../delta/files.ts';
import { APPLY_PIECE_BYTES, FRAME_WORK_BYTES } from '../../delta/format/limits.ts';
import { inspectDelta } from '../../delta/inspect.ts';
import { BufferAccess, FileAccess } from '../../storage/random-access.ts';
import { makeTar, noBsdiff, noise, withFolder } from './support.ts';

/** Takes its bytes a while after it was given them, as a disk that is busy does. */
class SlowSink extends Writable {
  readonly taken: Buffer[] = [];

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    setTimeout(() => {
      this.taken.push(Buffer.from(bytes));
      done();
    }, 20);
  }
}

describe('a sink that is slower than the applier', () => {
  // Frames of odd and even numbers of pieces, so that a frame ends in either buffer.
  it.each([0, 1])('gets every frame whole, after %s copied pieces', async (copied) => {
    await withFolder(async (folder) => {
      const kept = { name: 'kept', bytes: noise(copied * APPLY_PIECE_BYTES + 50_000, 1) };
      const old = makeTar([kept]);
      const fresh = makeTar([kept, { name: 'added', bytes: noise(2.5 * FRAME_WORK_BYTES, 2) }]);
      const [oldPath, newPath] = [join(folder, 'old'), join(folder, 'new')];
      const output = join(folder, 'delta');
      await writeFile(oldPath, old);
      await writeFile(newPath, fresh);
      await buildFileDelta({
        old: oldPath,
        new: newPath,
        output,
        scratch: folder,
        profile: 'fast',
        loadBsdiff: () => Promise.resolve(noBsdiff()),
      });
      const source = await FileAccess.open(output);
      const delta = await openDelta(source);
      expect(delta.isWhole).toBe(false);
      const sink = new SlowSink();
      await applyDelta(
        delta,
        { tar: () => Promise.resolve(new BufferAccess(old)) },
        { output: () => Promise.resolve(sink) },
      );
      expect(Buffer.concat(sink.taken).equals(fresh)).toBe(true);
      expect((await inspectDelta(source)).outputs[0]?.frames).toBeGreaterThan(1);
      await source.close();
    });
  });
});
