/** The bounds of the codec; all but the first are this program's own, far above what OSTree needs. */
export const VARIANT_LIMITS = {
  /**
   * Containers and variants inside one another, leaves counted. GLib promises its callers 64 and
   * goes on to 128.
   */
  depth: 64,
  /** Characters of a type string; a message on D-Bus has at most 255. */
  typeLength: 4096,
  /** Bytes of a value: framing offsets of 8 bytes are never needed. */
  bytes: 0xffff_ffff,
  /** Array elements of one decode, so that bytes can't be blown up into far more memory. */
  elements: 16 * 1024 * 1024,
} as const;
