import type { ByteSource, IoOptions } from '../../../storage/object-store.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { withScratch } from '../../scratch.ts';
import { applyPart } from './apply-part.ts';
import { STATIC_DELTA_LIMITS } from './limits.ts';
import type { ObjectSink } from './object-sink.ts';
import { parsePayload } from './payload.ts';
import { ReadSources, wantedSources, type OpenBase } from './read-sources.ts';
import { Spool } from './spool.ts';
import type { DeltaPart, Superblock } from './superblock.ts';
import { unpackPart } from './unpack-part.ts';

export interface ApplyDeltaInput extends IoOptions {
  /** Its own digest, which the summary or the delta index holds, is the caller's to check. */
  readonly superblock: Superblock;
  /** The bytes of a part file that does not travel in the superblock. */
  readPart(number: number): ByteSource | Promise<ByteSource>;
  /** A regular file of the from-commit. */
  readonly openBase: OpenBase;
  readonly sink: ObjectSink;
  /** Folder in which large contents may stand meanwhile; it is left as it was. */
  readonly scratch: string;
  /** The most content that the parts may make together; 64 GiB when absent. */
  readonly maxContentBytes?: number | undefined;
}

/**
 * Applies a static delta: makes every object of its parts, verifies it, and hands it to the sink, in
 * the delta's order. The to-commit itself and the fallbacks are left to the caller; both stand in the
 * superblock. Memory does not depend on the sizes. Throws `bad_format`, `output_mismatch`,
 * `too_large` and `aborted` (`DeltaError`), `size_mismatch` and `digest_mismatch` of a part file
 * (`StorageError`); errors of the callbacks pass through.
 */
export async function applyStaticDelta(input: ApplyDeltaInput): Promise<void> {
  const { parts } = input.superblock;
  const contentBytes = parts.reduce((total, part) => total + part.contentBytes, 0);
  const limit = input.maxContentBytes ?? STATIC_DELTA_LIMITS.contentBytes;
  if (contentBytes > limit) {
    throw new DeltaError(
      'too_large',
      `a delta makes ${contentBytes} bytes of content, the limit is ${limit}`,
    );
  }
  await withScratch(input.scratch, 'ostree-apply-', async (folder) => {
    for (const [number, part] of parts.entries()) {
      checkAborted(input.signal, 'applying a delta');
      await applyOne(input, folder, part, number);
    }
  });
}

async function applyOne(
  input: ApplyDeltaInput,
  folder: string,
  part: DeltaPart,
  number: number,
): Promise<void> {
  const { sink, signal } = input;
  const what = `part ${number}`;
  const packed = new Spool(folder);
  const spool = new Spool(folder);
  try {
    const file = part.inline === undefined ? await input.readPart(number) : [part.inline];
    await unpackPart(file, part, packed, { what, signal });
    const payload = await parsePayload(packed.slice(0, packed.size), what);
    const wanted = await wantedSources(payload, part.objects, what);
    const sources = new ReadSources(input.openBase, wanted);
    try {
      await applyPart({ part, payload, sources, sink, spool, what, signal });
    } finally {
      await sources.unset();
    }
  } finally {
    await packed.close();
    await spool.close();
  }
}
