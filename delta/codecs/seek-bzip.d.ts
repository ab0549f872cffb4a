/** seek-bzip ships no types. */
declare module 'seek-bzip' {
  const seekBzip: {
    /** Decompresses one bzip2 stream; throws when it is broken or a checksum differs. */
    decode(input: Buffer): Buffer;
  };
  export = seekBzip;
}
