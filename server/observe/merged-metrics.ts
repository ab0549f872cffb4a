import { AggregatorRegistry, Registry } from 'prom-client';

/** All series of one process. */
export type ProcessMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * What several processes counted, as one server's figures. A process that ended leaves its last known
 * counts behind: a sum that fell would look like a server that started anew.
 */
export class MergedMetrics {
  readonly #latest = new Map<number, ProcessMetrics>();
  readonly #ended = new Set<number>();
  #past: ProcessMetrics = [];

  /** `process`: any number that is its own. */
  report(process: number, metrics: ProcessMetrics): void {
    // What a process sent may arrive after it has ended, and is in the past then.
    if (!this.#ended.has(process)) this.#latest.set(process, metrics);
  }

  /** Its counts stay, its gauges go. */
  async ended(process: number): Promise<void> {
    this.#ended.add(process);
    const last = this.#latest.get(process);
    if (last === undefined) return;
    this.#latest.delete(process);
    const counts = last.filter(isCount);
    this.#past = await merge([this.#past, counts]).getMetricsAsJSON();
  }

  /** The text exposition format. */
  async render(): Promise<string> {
    return merge([this.#past, ...this.#latest.values()]).metrics();
  }
}

function merge(parts: readonly ProcessMetrics[]): Registry {
  return AggregatorRegistry.aggregate([...parts]);
}

/** By name: prom-client gives the types of its JSON no closed shape. */
function isCount({ type }: ProcessMetrics[number]): boolean {
  return ['counter', 'histogram'].includes(String(type).toLowerCase());
}
