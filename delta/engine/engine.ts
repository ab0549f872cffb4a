import { availableParallelism } from 'node:os';

import { errnoOf } from '../../storage/durable.ts';
import type { IoOptions } from '../../storage/object-store.ts';
import type { RandomAccess } from '../../storage/random-access.ts';
import { DeltaError } from '../errors.ts';
import { LIMITS } from '../format/limits.ts';
import { REASON, type Reason } from '../format/notes.ts';
import { PROFILE, type PairProfile } from '../format/pairs.ts';
import { METHOD } from '../format/stream-head.ts';
import { EFFORTS, packStream, type PackedStream } from '../format/stream.ts';
import type { StepStreams } from './encode-job.ts';
import { EncoderPool } from './encoder-pool.ts';
import { MOSTLY_NEW } from './encoder-thread.ts';
import { compileKernel } from './kernel-file.ts';

export interface EngineLimits {
  /** Bytes of old and of new of one pair; larger files go window by window. */
  readonly pairBytes: number;
  /** Encoders that run side by side. */
  readonly threads: number;
  /** Memory of all encoders together. */
  readonly memoryBytes: number;
  /** Wall time for a pair: this much, */
  readonly budgetMs: number;
  /** and this much more for each MiB of old and new. */
  readonly budgetMsPerMib: number;
}

/** Literals take about 10 s a MiB on a slow core; everything else a tenth of that. */
export const ENGINE_LIMITS: EngineLimits = {
  pairBytes: 256 * 1024 * 1024,
  threads: availableParallelism(),
  memoryBytes: 1536 * 1024 * 1024,
  budgetMs: 60_000,
  budgetMsPerMib: 15_000,
};

/** The limits of each of `owners` engines that share a machine. */
export function sharedLimits(owners: number): EngineLimits {
  return {
    ...ENGINE_LIMITS,
    threads: Math.max(1, Math.floor(ENGINE_LIMITS.threads / owners)),
    memoryBytes: ENGINE_LIMITS.memoryBytes / owners,
  };
}

/** Old bytes, range after range, and new bytes to be coded by them. */
export interface EnginePair {
  readonly old: RandomAccess;
  /** Bytes of each range. */
  readonly sources: readonly number[];
  readonly fresh: RandomAccess;
  /** Told of new bytes as their sections are done. */
  readonly onCoded?: ((bytes: number) => void) | undefined;
}

export type EngineResult =
  | {
      readonly kind: 'encoded';
      readonly profile: PairProfile;
      readonly control: readonly PackedStream[];
      readonly sections: readonly {
        readonly end: number;
        readonly streams: readonly PackedStream[];
      }[];
      readonly statistics: readonly number[];
    }
  | { readonly kind: 'declined'; readonly reason: Reason };

/** The reference-predicting coder (delta/kernel) on a pool of threads. Close it. */
export class Engine {
  readonly profile: keyof typeof PROFILE;
  readonly limits: EngineLimits;
  readonly #pool: EncoderPool;

  private constructor(
    module: WebAssembly.Module,
    profile: keyof typeof PROFILE,
    limits: EngineLimits,
  ) {
    this.profile = profile;
    this.limits = limits;
    this.#pool = new EncoderPool(module, limits);
  }

  /** Undefined where the kernel was not built. */
  static async open(
    profile: keyof typeof PROFILE,
    limits: EngineLimits = ENGINE_LIMITS,
  ): Promise<Engine | undefined> {
    try {
      return new Engine(await compileKernel(), profile, limits);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Codes a pair; declines when it takes too long, too much, or when the kernel gives up. */
  async encode(pair: EnginePair, options: IoOptions): Promise<EngineResult> {
    const bytes = pair.old.size + pair.fresh.size;
    if (Math.max(pair.old.size, pair.fresh.size) > LIMITS.pairBytes) {
      return { kind: 'declined', reason: REASON.engineBudget };
    }
    const profile = PROFILE[this.profile];
    const budgetMs = this.limits.budgetMs + (this.limits.budgetMsPerMib * bytes) / 2 ** 20;
    try {
      const raw = await this.#pool.encode({ ...pair, profile, budgetMs }, options);
      if (raw === MOSTLY_NEW) return { kind: 'declined', reason: REASON.mostlyNew };
      const sections = [];
      for (const { end, streams } of raw.sections) {
        sections.push({ end, streams: await this.#pack(streams) });
      }
      const control = await this.#pack(raw.control);
      return { kind: 'encoded', profile, control, sections, statistics: raw.statistics };
    } catch (error) {
      if (!(error instanceof DeltaError)) throw error;
      if (error.code === 'budget') return { kind: 'declined', reason: REASON.engineBudget };
      if (error.code === 'bad_format') return { kind: 'declined', reason: REASON.engineFailed };
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** What is entropy coded stays as it is. */
  async #pack(streams: StepStreams): Promise<readonly PackedStream[]> {
    if (this.profile === 'fast') {
      const packed: PackedStream[] = [];
      for (const { buffer } of streams) {
        packed.push(await packStream(Buffer.from(buffer), EFFORTS.fast));
      }
      return packed;
    }
    return streams.map((stored) => ({
      method: METHOD.stored,
      rawBytes: stored.length,
      stored,
    }));
  }
}
