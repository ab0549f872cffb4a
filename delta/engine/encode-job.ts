/** What an encoder thread is started with. */
export interface EncoderData {
  readonly module: WebAssembly.Module;
  /** Steps that its kernels leave out. */
  readonly leftOut: number;
}

/** Sizes of a pair that a worker is to encode. */
export interface EncodeOrder {
  readonly kind: 'encode';
  readonly profile: number;
  /** Bytes of each old range, in order. */
  readonly sources: readonly number[];
  readonly newBytes: number;
}

/** What the worker asked for, in the buffer that came with the question. */
export interface PieceMessage {
  readonly kind: 'piece';
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type ToWorker = EncodeOrder | PieceMessage;

/** Coded bytes of one step, stream by stream. */
export type StepStreams = readonly Uint8Array<ArrayBuffer>[];

export interface RawSection {
  /** First new byte after it. */
  readonly end: number;
  readonly streams: StepStreams;
}

export type FromWorker =
  /** Asks to fill `into` from a place in the old ranges, one after another, or in the new bytes. */
  | {
      readonly kind: 'need';
      readonly side: 'old' | 'new';
      readonly offset: number;
      readonly into: Uint8Array<ArrayBuffer>;
    }
  /** Too much of the new bytes resembles nothing old. */
  | { readonly kind: 'refused'; readonly literalBytes: number }
  | { readonly kind: 'control'; readonly streams: StepStreams }
  | { readonly kind: 'section'; readonly section: RawSection }
  | { readonly kind: 'done'; readonly statistics: readonly number[] }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };
