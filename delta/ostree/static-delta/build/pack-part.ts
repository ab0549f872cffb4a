import { createHash } from 'node:crypto';

import type { IoOptions } from '../../../../storage/object-store.ts';
import { compressXz } from '../../../codecs/xz.ts';
import { DeltaError } from '../../../errors.ts';
import { checksumFromBytes } from '../../objects/checksum.ts';
import { Spool } from '../spool.ts';
import type { DeltaPart } from '../superblock.ts';
import { PART_TYPE } from '../unpack-part.ts';
import { compressPart } from './compress-part.ts';
import type { DeltaSink, PartFileBytes } from './delta-sink.ts';
import type { BuiltPayload, PartBuilder } from './part-builder.ts';

const PIECE_BYTES = 256 * 1024;
/** From this part of its bytes on, a payload counts as one of patches. */
const PATCH_SHARE = 1 / 2;

export interface PackOptions extends IoOptions {
  readonly sink: DeltaSink;
  /** Folder for what is too large for memory. */
  readonly folder: string;
  /** See `compressXz`. */
  readonly preset: number;
  /** The kernel, which compresses parts of patches instead, if it is there. */
  readonly kernel?: WebAssembly.Module | undefined;
  /** Part files of up to this many bytes travel in the superblock. */
  readonly inlineBytes: number;
}

/** Compresses a part, hands its file to the sink, and says what the superblock has to. */
export async function packPart(
  builder: PartBuilder,
  number: number,
  options: PackOptions,
): Promise<DeltaPart> {
  const { sink, folder, inlineBytes } = options;
  const payload = builder.payload();
  const { size, limit } = payload;
  if (size > limit) {
    throw new DeltaError(
      'too_large',
      `part ${number} unpacks to ${size} bytes, clients take ${limit}`,
    );
  }
  const spool = new Spool(folder);
  try {
    // Never stored plain: clients fail to map a part file of type 0 past 16 KiB.
    const hash = createHash('sha256');
    const append = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      await spool.append(bytes);
    };
    await append(Uint8Array.of(PART_TYPE.xz));
    for await (const bytes of compressed(builder, payload, options)) await append(bytes);
    const file = fileOf(spool, hash.digest());
    const { contentBytes, objects } = builder;
    const part = { checksum: file.checksum, size: file.size, contentBytes, objects };
    if (file.size <= inlineBytes) {
      return { ...part, inline: Buffer.from(await spool.slice(0, file.size).read(0, file.size)) };
    }
    await sink.part(number, file);
    return part;
  } finally {
    await spool.close();
  }
}

/** The kernel's encoder is made for streams of bsdiff; all else is liblzma's. */
function compressed(
  { patchBytes }: PartBuilder,
  payload: BuiltPayload,
  options: PackOptions,
): AsyncGenerator<Buffer> {
  const { kernel } = options;
  return kernel !== undefined && patchBytes >= payload.size * PATCH_SHARE
    ? compressPart(kernel, payload, options)
    : compressXz(payload.pieces(), options);
}

function fileOf(spool: Spool, digest: Buffer): PartFileBytes {
  const { size } = spool;
  const bytes = spool.slice(0, size);
  return {
    checksum: checksumFromBytes(digest, 'a part file'),
    size,
    pieces: async function* () {
      for (let at = 0; at < size; at += PIECE_BYTES) {
        yield bytes.read(at, Math.min(PIECE_BYTES, size - at));
      }
    },
  };
}
