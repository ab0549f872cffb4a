/** bz2 ships no types. */
declare module 'bz2' {
  const bz2: {
    /** Throws on anything that is no bzip2 stream. `checkCrc` compares each block's checksum. */
    decompress(bytes: Uint8Array, checkCrc?: boolean): Uint8Array;
  };
  export = bz2;
}
