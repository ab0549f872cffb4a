import { alignUp } from './type.ts';

/** Bytes of a framing offset (GVariant specification, section 2.5.2); 8 is never needed here. */
export type OffsetWidth = 1 | 2 | 4;

/** The width of the framing offsets of a container of that many bytes, table included. */
export function offsetWidth(bytes: number): OffsetWidth {
  if (bytes <= 0xff) return 1;
  return bytes <= 0xffff ? 2 : 4;
}

/** The least width with which a body of that many bytes and its table of offsets can be written. */
export function leastWidth(bodyBytes: number, offsets: number): OffsetWidth {
  if (bodyBytes + offsets <= 0xff) return 1;
  return bodyBytes + offsets * 2 <= 0xffff ? 2 : 4;
}

/** Zero bytes between `at` and the next multiple of `alignment`. */
export function paddingAt(at: number, alignment: number): number {
  return alignUp(at, alignment) - at;
}
