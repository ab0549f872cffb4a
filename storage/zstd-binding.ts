/** The native zstd of `@mongodb-js/zstd`. */
export type ZstdBinding = typeof import('@mongodb-js/zstd/bindings.js');

let loaded: Promise<ZstdBinding> | undefined;

/** Loads it when it is first needed: a device that takes a delta of the engine does without its 2.5 MB. */
export function zstdBinding(): Promise<ZstdBinding> {
  return (loaded ??= import('@mongodb-js/zstd/bindings.js'));
}
