/**
 * The native half of @mongodb-js/zstd. Its `index.js` promises `compress(data, level)` but drops the
 * level (1.2.2: everything is level 3), so the bindings are called directly.
 */
declare module '@mongodb-js/zstd/bindings.js' {
  export function compress(data: Buffer, level: number): Promise<Buffer>;
  /** Allocates whatever the frames expand to. */
  export function decompress(data: Buffer): Promise<Buffer>;
}
