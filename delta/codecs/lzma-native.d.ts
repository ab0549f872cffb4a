/**
 * The native half of lzma-native 8.0.6. Its stream wrapper starts anew after each end of a stream,
 * joins what waits into larger pieces and hides how far the coder has read, so the native coder is
 * called directly.
 */
declare module 'lzma-native' {
  namespace lzma {
    /** One coder: set `bufferHandler`, then exactly one `...Encoder_` or `...Decoder_`, then `code`. */
    class Stream {
      /**
       * Called with bytes made; or with null at the end of the stream or with an error; or with the
       * number of pieces that are done with. `totalIn`: bytes that the coder has used.
       */
      bufferHandler: (
        bytes: Buffer | null | undefined,
        doneWith: number | undefined,
        error: Error | null | undefined,
        totalIn: number | null,
      ) => void;
      streamEncoder_(filters: readonly LzmaFilter[], check: number): void;
      streamDecoder_(memoryBytes: number, flags: number): void;
      /** Queues a piece; null says that no more follow. `isAsync` runs it on libuv's thread pool. */
      code(bytes: Uint8Array | null, isAsync: boolean): void;
      setBufsize(bytes: number): void;
    }

    interface LzmaFilter {
      readonly id: string;
      readonly options: { readonly preset: number };
    }

    const FILTER_LZMA2: string;
    const CHECK_CRC64: number;
  }
  export = lzma;
}
