import { digestOf } from '../../storage/digest.ts';
import { ByteWriter } from '../../delta/format/bytes.ts';
import type { DeltaHeader } from '../../delta/format/facts.ts';
import { STREAM_NAMES, writeFrameHead, type StreamName } from '../../delta/format/frame-head.ts';
import { writeImageFacts, writeLists } from '../../delta/format/header-fields.ts';
import { formatHeader, MAGIC } from '../../delta/format/header.ts';
import { METHOD } from '../../delta/format/stream-head.ts';
import { EFFORTS, type PackedStream } from '../../delta/format/stream.ts';
import { SHORT_TAG_BYTES, tag16, tag4 } from '../../delta/format/tag.ts';

export interface FrameParts {
  readonly outputBytes: number;
  readonly tag: Buffer;
  /** If the frame goes on with a pair of the first one: new bytes of it that were made before. */
  readonly from?: number;
  readonly streams: Readonly<Partial<Record<StreamName, Buffer | undefined>>>;
}

/** A delta with one output that frames make, its streams not compressed. */
export interface DeltaParts {
  readonly header: DeltaHeader;
  readonly frames: readonly FrameParts[];
  readonly old: Buffer;
  readonly fresh: Buffer;
  /** What an interrupted apply left, if the delta is for that. */
  readonly existing?: Buffer;
}

export type PartName = StreamName | 'header' | 'head' | 'config' | 'manifest';

/** Gives other bytes for a part. */
export type Change = (part: PartName, bytes: Buffer) => Buffer;

/**
 * The delta's file. What `change` does to a part is wrapped in right lengths and digests: of streams in
 * the frame's head, of config and manifest in the header, of the header in its tag.
 */
export async function assemble(delta: DeltaParts, change: Change): Promise<Buffer> {
  const version = delta.header.version;
  const frames: Buffer[] = [];
  let offset = 0;
  for (const frame of delta.frames) {
    const isOnly = delta.frames.length === 1;
    const made = version === 1 ? frameV1(frame, change) : frameV2(frame, isOnly, offset, change);
    offset += made.length;
    frames.push(made);
  }
  const body = Buffer.concat(frames);
  const image = changedImage(delta.header, change);
  const header = { ...delta.header, image, framesBytes: body.length };
  return Buffer.concat([
    version === 1 ? headerV1(header, change) : await headerV2(header, change),
    body,
  ]);
}

function packed(raw: Buffer): PackedStream {
  const method = raw.length === 0 ? METHOD.empty : METHOD.stored;
  return { method, rawBytes: raw.length, stored: raw };
}

function changedStreams({ streams }: FrameParts, change: Change): Record<StreamName, PackedStream> {
  const entries = STREAM_NAMES.map((name) => {
    const raw = streams[name];
    return [name, packed(raw === undefined ? Buffer.alloc(0) : change(name, raw))] as const;
  });
  return Object.fromEntries(entries) as Record<StreamName, PackedStream>;
}

/** `offset` is the distance from the first frame. */
function frameV2(frame: FrameParts, isOnly: boolean, offset: number, change: Change): Buffer {
  const { outputBytes, from = 0 } = frame;
  const back = frame.from === undefined ? 0 : offset;
  const tag = isOnly ? undefined : frame.tag;
  const streams = changedStreams(frame, change);
  const head = new ByteWriter();
  writeFrameHead(head, { outputBytes, tag, streams, back, from, isLast: isOnly });
  return withData(head, streams, change);
}

/** FORMAT.md, "Version 1". */
function frameV1(frame: FrameParts, change: Change): Buffer {
  const streams = changedStreams(frame, change);
  const head = new ByteWriter().varint(frame.outputBytes).bytes(frame.tag);
  for (const name of STREAM_NAMES.slice(0, 6)) {
    const { method, rawBytes } = streams[name];
    head.byte(method);
    if (method !== METHOD.empty) head.varint(rawBytes);
  }
  return withData(head, streams, change);
}

function withData(
  head: ByteWriter,
  streams: Record<StreamName, PackedStream>,
  change: Change,
): Buffer {
  const parts = STREAM_NAMES.map((name) => streams[name].stored);
  return Buffer.concat([change('head', Buffer.from(head.view())), ...parts]);
}

function changedImage({ image }: DeltaHeader, change: Change): DeltaHeader['image'] {
  if (image === undefined) return undefined;
  const configBytes = change('config', image.configBytes);
  const named = image.manifestBytes.toString('latin1');
  const renamed = named.replace(digestOf(image.configBytes), digestOf(configBytes));
  const manifestBytes = change('manifest', Buffer.from(renamed, 'latin1'));
  return { ...image, configBytes, manifestBytes, to: digestOf(manifestBytes) };
}

async function headerV2(header: DeltaHeader, change: Change): Promise<Buffer> {
  const whole =
    header.image === undefined ? await formatHeader(header, EFFORTS.fast) : imageV2(header);
  const bytes = change('header', whole.subarray(0, whole.length - SHORT_TAG_BYTES));
  return Buffer.concat([bytes, tag4(bytes)]);
}

/** As `formatHeader` writes it, but stored as it is. */
function imageV2(header: DeltaHeader): Buffer {
  const body = new ByteWriter().varint(1).varint(header.framesBytes);
  writeLists(body, header.base, header.outputs);
  if (header.image !== undefined) writeImageFacts(body, header.image);
  const out = new ByteWriter()
    .bytes(MAGIC)
    .byte(2)
    .byte(2 + 4 * METHOD.stored);
  out.varint(body.length).bytes(body.view()).bytes(Buffer.alloc(SHORT_TAG_BYTES));
  return Buffer.from(out.view());
}

function headerV1(header: DeltaHeader, change: Change): Buffer {
  const kinds = ['file', 'tar', 'image'];
  const body = new ByteWriter().byte(kinds.indexOf(header.kind)).varint(1);
  body.varint(header.framesBytes);
  writeLists(body, header.base, header.outputs);
  if (header.image !== undefined) writeImageFacts(body, header.image);
  const changed = change('header', Buffer.from(body.view()));
  const out = new ByteWriter().bytes(MAGIC).byte(1).byte(METHOD.stored);
  out.varint(changed.length).bytes(changed);
  const tag = tag16(out.view());
  return Buffer.from(out.bytes(tag).view());
}
