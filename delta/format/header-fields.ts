import { parseDigest, type Digest } from '../../storage/digest.ts';
import { DeltaError } from '../errors.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import type { FileFacts, ImageFacts, OutputFacts } from './facts.ts';
import { LIMITS } from './limits.ts';

/** Base files and outputs as lists, with their digests in text. */
export function writeLists(
  to: ByteWriter,
  base: readonly FileFacts[],
  outputs: readonly OutputFacts[],
): void {
  to.varint(base.length);
  for (const { diffId, size } of base) to.text(diffId).varint(size);
  to.varint(outputs.length);
  for (const { diffId, size, reuse } of outputs) {
    to.text(diffId)
      .varint(size)
      .byte(reuse ? 1 : 0);
  }
}

export function readLists(reader: ByteReader): {
  readonly base: readonly FileFacts[];
  readonly outputs: readonly OutputFacts[];
} {
  const base = readList(reader, () => readFile(reader));
  const outputs = readList(reader, () => ({ ...readFile(reader), reuse: readMode(reader) }));
  checkTotal(base);
  checkTotal(outputs);
  return { base, outputs };
}

export function writeImageFacts(to: ByteWriter, image: ImageFacts): void {
  const { from, to: target, mediaType, manifestBytes, configBytes } = image;
  to.text(from).text(target).text(mediaType);
  to.varint(manifestBytes.length).bytes(manifestBytes);
  to.varint(configBytes.length).bytes(configBytes);
}

export function readImageFacts(reader: ByteReader): ImageFacts {
  return {
    from: readDigest(reader),
    to: readDigest(reader),
    mediaType: reader.text(),
    manifestBytes: reader.bytes(reader.varint()),
    configBytes: reader.bytes(reader.varint()),
  };
}

/** Addresses are sums of sizes: they must stay exact numbers. */
export function checkTotal(files: readonly FileFacts[]): void {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (!Number.isSafeInteger(total)) {
    throw new DeltaError('bad_format', `the header of the delta names ${total} bytes of files`);
  }
}

function readList<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.varint(LIMITS.files);
  return Array.from({ length: count }, read);
}

function readFile(reader: ByteReader): FileFacts {
  return { diffId: readDigest(reader), size: reader.varint() };
}

function readMode(reader: ByteReader): boolean {
  const mode = reader.byte();
  if (mode > 1)
    throw new DeltaError('bad_format', `an output of the delta has the unknown mode ${mode}`);
  return mode === 1;
}

function readDigest(reader: ByteReader): Digest {
  const text = reader.text();
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new DeltaError('bad_format', 'the header of the delta holds a broken digest', { cause });
  }
}
