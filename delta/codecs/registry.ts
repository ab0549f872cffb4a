import { Engine, type EngineLimits } from '../engine/engine.ts';
import { CODEC, REASON, type Reason } from '../format/notes.ts';
import { createBsdiffCodec } from './bsdiff.ts';
import { loadBsdiff, type BsdiffLoad } from './bsdiff-process.ts';
import type { Codec } from './codec.ts';
import { inplaceCodec } from './inplace.ts';

/** Codecs by number. `copy` and `zstd` are always there and need no alignment: see `plan/`. Close it. */
export interface CodecRegistry {
  /** Tried first; undefined where the kernel was not built. */
  readonly engine: Engine | undefined;
  /** What takes its place where it declines; found when first asked for. */
  fallback(): Promise<FallbackCodecs>;
  close(): Promise<void>;
}

export interface FallbackCodecs {
  /** Those that align old and new bytes, in the order to try. */
  readonly aligning: readonly Codec[];
  /** Why differences were not tried where only `inplace` was at hand. */
  readonly missing?: Reason | undefined;
}

export interface CodecOptions {
  readonly profile: Engine['profile'];
  readonly engineLimits?: EngineLimits | undefined;
  readonly withoutEngine?: boolean | undefined;
  /** Finds bsdiff; the default tries bsdiff-node. */
  readonly load?: (() => Promise<BsdiffLoad>) | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
}

/** The codecs of this installation. */
export async function openCodecs(options: CodecOptions): Promise<CodecRegistry> {
  const { profile, engineLimits, withoutEngine = false } = options;
  const engine = withoutEngine ? undefined : await Engine.open(profile, engineLimits);
  if (engine === undefined && !withoutEngine) {
    options.onNotice?.(
      'the engine is off: it was not built (npm run build); deltas will be larger',
    );
  }
  let fallback: Promise<FallbackCodecs> | undefined;
  return {
    engine,
    fallback: () => (fallback ??= openFallback(options)),
    close: async () => engine?.close(),
  };
}

async function openFallback(options: CodecOptions): Promise<FallbackCodecs> {
  const bsdiff = await (options.load ?? loadBsdiff)();
  if (bsdiff.kind === 'loaded') {
    return { aligning: [inplaceCodec, createBsdiffCodec(bsdiff.generator)] };
  }
  options.onNotice?.(
    'the bsdiff codec is off: bsdiff-node is not installed (it needs a C++ compiler at npm install); deltas will be larger',
  );
  return { aligning: [inplaceCodec], missing: REASON.bsdiffMissing };
}

/** What a codec's number means to people. */
export function codecName(id: number): string {
  const names = Object.entries(CODEC) as readonly [string, number][];
  return names.find(([, number]) => number === id)?.[0] ?? `codec ${id}`;
}
