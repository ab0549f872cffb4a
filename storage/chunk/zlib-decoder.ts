import type { Gunzip, InflateRaw } from 'node:zlib';

export type ZlibDecoder = Gunzip | InflateRaw;

/** Bytes of a decoded part: fewer calls into zlib than with its default of 16 KiB. */
export const OUTPUT_BYTES = 64 * 1024;

/**
 * What a decoder makes of what `feed` writes into it. It is made when the first part is asked for, since
 * what never began is never ended. Errors of `feed` pass through; those of the decoder come as `toFault`
 * makes them. Holds one part of output, and what {@link writePart} waits for.
 */
export async function* decoded<D extends ZlibDecoder>(
  make: () => D,
  feed: (decoder: D) => Promise<void>,
  toFault: (cause: unknown) => Error,
): AsyncGenerator<Buffer, void> {
  const decoder = make();
  let feedFault: { readonly error: unknown } | undefined;
  const feeding = feed(decoder).catch((error: unknown) => {
    feedFault = { error };
    decoder.destroy();
  });
  try {
    for await (const part of decoder) yield part as Buffer;
    await feeding;
  } catch (cause) {
    if (feedFault !== undefined) throw feedFault.error;
    throw toFault(cause);
  } finally {
    decoder.destroy();
  }
  if (feedFault !== undefined) throw feedFault.error;
}

/** Resolves once the part is used up, or to false when the decoder closed first. */
export function writePart(decoder: ZlibDecoder, part: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const closed = (): void => {
      resolve(false);
    };
    if (decoder.destroyed) {
      resolve(false);
      return;
    }
    decoder.once('close', closed);
    decoder.write(part, (error) => {
      decoder.off('close', closed);
      resolve(error === undefined || error === null);
    });
  });
}
