import type { ByteRange } from '../../storage/object-store.ts';
import type { RangeAnswer } from './range.ts';

/** A body as it goes over the wire: ranges of the object in order, each behind its text, then the tail. */
export interface BodyLayout {
  readonly status: 200 | 206;
  readonly contentType: string;
  /** Bytes of the whole body, exact. */
  readonly contentLength: number;
  /** Of a single range. */
  readonly contentRange?: string | undefined;
  readonly ranges: readonly ByteRange[];
  /** The text before a range; made when it is asked for, since a thousand of them weigh. */
  readonly before: (range: ByteRange, index: number) => string;
  readonly tail: string;
  /** A label of metrics. */
  readonly kind: 'whole' | 'range' | 'multirange';
}

/** The answers that have a body of the object. */
export type Satisfiable = Extract<RangeAnswer, { kind: 'whole' | 'single' | 'multi' }>;

/**
 * Lays out a body for an object of `size` bytes. Several ranges become `multipart/byteranges`
 * (RFC 9110, 14.6), one part per range in the order asked, each between lines of `boundary`.
 */
export function layOutBody(
  answer: Satisfiable,
  size: number,
  mediaType: string,
  boundary: string,
): BodyLayout {
  switch (answer.kind) {
    case 'whole':
      return {
        status: 200,
        kind: 'whole',
        contentType: mediaType,
        contentLength: size,
        ranges: [{ start: 0, endExclusive: size }],
        before: noText,
        tail: '',
      };
    case 'single':
      return {
        status: 206,
        kind: 'range',
        contentType: mediaType,
        contentLength: answer.range.endExclusive - answer.range.start,
        contentRange: contentRange(answer.range, size),
        ranges: [answer.range],
        before: noText,
        tail: '',
      };
    case 'multi':
      return layOutParts(answer.ranges, size, mediaType, boundary);
  }
}

function layOutParts(
  ranges: readonly ByteRange[],
  size: number,
  mediaType: string,
  boundary: string,
): BodyLayout {
  const before = (range: ByteRange, index: number): string =>
    `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${mediaType}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`;
  const tail = `\r\n--${boundary}--\r\n`;
  let contentLength = tail.length;
  for (const [index, range] of ranges.entries()) {
    contentLength += before(range, index).length + range.endExclusive - range.start;
  }
  return {
    status: 206,
    kind: 'multirange',
    contentType: `multipart/byteranges; boundary=${boundary}`,
    contentLength,
    ranges,
    before,
    tail,
  };
}

function noText(): string {
  return '';
}

function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.endExclusive - 1}/${size}`;
}
