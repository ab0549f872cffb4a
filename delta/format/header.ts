import { parseDigest, type Digest } from '../../storage/digest.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { LIMITS } from './limits.ts';
import {
  packStream,
  readStreamHead,
  unpackStream,
  writeStreamHead,
  type Effort,
} from './stream.ts';
import { TAG_BYTES, tag16 } from './tag.ts';

export const MAGIC = Buffer.from('RVLD');
/** The format version that this program writes, and the only one it reads. */
export const VERSION = 1;

export type DeltaKind = 'file' | 'tar' | 'image';
const KINDS: readonly DeltaKind[] = ['file', 'tar', 'image'];

export interface FileFacts {
  /** Digest of the whole file; a layer's diff_id. */
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface OutputFacts extends FileFacts {
  /** True if a base layer has this very diff_id: nothing to write, the device keeps what it has. */
  readonly reuse: boolean;
}

export interface ImageFacts {
  readonly from: Digest;
  readonly to: Digest;
  readonly mediaType: string;
  readonly manifestBytes: Buffer;
  readonly configBytes: Buffer;
}

export interface DeltaHeader {
  readonly kind: DeltaKind;
  /** Memory that applying takes beside the process. */
  readonly ramBytes: number;
  /** Bytes of all frames. */
  readonly framesBytes: number;
  readonly base: readonly FileFacts[];
  readonly outputs: readonly OutputFacts[];
  /** Kind `image` only. */
  readonly image?: ImageFacts | undefined;
}

/** The file's beginning, up to the first frame. */
export async function formatHeader(header: DeltaHeader, effort: Effort): Promise<Buffer> {
  const body = new ByteWriter().byte(KINDS.indexOf(header.kind));
  body.varint(header.ramBytes).varint(header.framesBytes).varint(header.base.length);
  for (const { diffId, size } of header.base) body.text(diffId).varint(size);
  body.varint(header.outputs.length);
  for (const { diffId, size, reuse } of header.outputs) {
    body
      .text(diffId)
      .varint(size)
      .byte(reuse ? 1 : 0);
  }
  if (header.image !== undefined) {
    const { from, to, mediaType, manifestBytes, configBytes } = header.image;
    body.text(from).text(to).text(mediaType);
    body.varint(manifestBytes.length).bytes(manifestBytes);
    body.varint(configBytes.length).bytes(configBytes);
  }
  const packed = await packStream(body.view(), effort);
  const out = new ByteWriter().bytes(MAGIC).byte(VERSION);
  writeStreamHead(out, packed);
  out.bytes(packed.stored);
  return Buffer.from(out.bytes(tag16(out.view())).view());
}

/** Magic, version, method and two numbers. */
const PREFIX_BYTES = 4 + 1 + 1 + 8 + 8;

/**
 * Reads and checks a delta's header. Throws `unsupported_version`, or `bad_format` for anything that
 * breaks FORMAT.md.
 */
export async function readHeader(
  source: RandomAccess,
): Promise<{ readonly header: DeltaHeader; readonly framesOffset: number }> {
  const prefix = await source.read(0, Math.min(PREFIX_BYTES, source.size));
  const reader = new ByteReader(prefix, 'the delta');
  if (prefix.length < 5 || !reader.bytes(4).equals(MAGIC)) {
    throw new DeltaError('bad_format', 'not a delta: it does not begin with "RVLD"');
  }
  const version = reader.byte();
  if (version !== VERSION) {
    throw new DeltaError(
      'unsupported_version',
      `the delta has format version ${version}; this program reads version ${VERSION}: use a newer one`,
      { detail: { version, known: [VERSION] } },
    );
  }
  const head = readStreamHead(reader, LIMITS.headerBytes);
  const bodyOffset = reader.offset;
  const framesOffset = bodyOffset + head.storedBytes + TAG_BYTES;
  if (framesOffset > source.size) {
    throw new DeltaError(
      'bad_format',
      `the delta is cut off in its header, at ${source.size} bytes`,
    );
  }
  const whole = await source.read(0, framesOffset);
  const tagged = whole.subarray(0, framesOffset - TAG_BYTES);
  if (!tag16(tagged).equals(whole.subarray(tagged.length))) {
    throw new DeltaError(
      'bad_format',
      'the header of the delta is damaged: its digest is another one',
    );
  }
  const header = parseBody(await unpackStream(head, tagged.subarray(bodyOffset)));
  const size = framesOffset + header.framesBytes;
  if (size !== source.size) {
    throw new DeltaError(
      'bad_format',
      `the delta has ${source.size} bytes where its header promises ${size}`,
      { detail: { expected: size, actual: source.size } },
    );
  }
  return { header, framesOffset };
}

function parseBody(bytes: Buffer): DeltaHeader {
  const reader = new ByteReader(bytes, 'the header of the delta');
  const kind = KINDS[reader.byte()];
  if (kind === undefined) throw new DeltaError('bad_format', 'the delta is of an unknown kind');
  const ramBytes = reader.varint();
  const framesBytes = reader.varint();
  const base = readList(reader, () => readFile(reader));
  const outputs = readList(reader, () => ({ ...readFile(reader), reuse: readMode(reader) }));
  const image = kind === 'image' ? readImageFacts(reader) : undefined;
  reader.end();
  if (
    kind !== 'image' &&
    (base.length !== 1 || outputs.length !== 1 || outputs[0]?.reuse !== false)
  ) {
    throw new DeltaError('bad_format', `a ${kind} delta needs one base file and one output`);
  }
  checkTotal(base);
  checkTotal(outputs);
  return { kind, ramBytes, framesBytes, base, outputs, image };
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

function readImageFacts(reader: ByteReader): ImageFacts {
  return {
    from: readDigest(reader),
    to: readDigest(reader),
    mediaType: reader.text(),
    manifestBytes: reader.bytes(reader.varint()),
    configBytes: reader.bytes(reader.varint()),
  };
}

function readDigest(reader: ByteReader): Digest {
  const text = reader.text();
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new DeltaError('bad_format', 'the header of the delta holds a broken digest', { cause });
  }
}

/** Addresses are sums of sizes: they must stay exact numbers. */
function checkTotal(files: readonly FileFacts[]): void {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (!Number.isSafeInteger(total)) {
    throw new DeltaError('bad_format', `the header of the delta names ${total} bytes of files`);
  }
}
