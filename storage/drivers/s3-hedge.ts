/** Latencies remembered. */
const SAMPLES = 100;
/** Fewer say nothing about a 95th percentile. */
const MIN_SAMPLES = 20;
/** Extra requests, as a share of all. */
const SHARE = 0.05;
/** Extra requests that may follow each other. */
const BURST = 5;
/** A second request sooner than this only adds load: it is within what a busy server varies by. */
const MIN_DELAY_MS = 20;

/**
 * Says when a read that has not answered should be asked for a second time: after the 95th percentile
 * of what the last reads took, for at most 5 % of all reads.
 */
export class HedgePolicy {
  readonly #latencies: number[] = [];
  #next = 0;
  #allowance = 0;

  /** Milliseconds after which to ask again; undefined: not yet known, or no extra request is left. */
  delayMs(): number | undefined {
    this.#allowance = Math.min(BURST, this.#allowance + SHARE);
    if (this.#latencies.length < MIN_SAMPLES || this.#allowance < 1) return undefined;
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    return Math.max(MIN_DELAY_MS, sorted[Math.floor(sorted.length * 0.95)] ?? 0);
  }

  /** An extra request goes out; false when another took the allowance meanwhile. */
  take(): boolean {
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  /** A read was answered after so long, by whichever request. */
  answered(ms: number): void {
    this.#latencies[this.#next] = ms;
    this.#next = (this.#next + 1) % SAMPLES;
  }
}

/**
 * Runs `ask`, and once more if it has not settled when the policy says so. The first that succeeds
 * wins; the other is told by its signal, or its answer given to `discard`. Fails only when all that
 * were begun failed.
 */
export async function hedged<T>(
  policy: HedgePolicy,
  ask: (signal: AbortSignal) => Promise<T>,
  discard: (answer: T) => void,
): Promise<T> {
  const delayMs = policy.delayMs();
  const begun = performance.now();
  const aborts: AbortController[] = [];
  let won = false;
  const begin = async (): Promise<T> => {
    const own = new AbortController();
    aborts.push(own);
    const answer = await ask(own.signal);
    if (won) {
      discard(answer);
      throw new DOMException('the other request was quicker', 'AbortError');
    }
    won = true;
    for (const other of aborts) if (other !== own) other.abort();
    return answer;
  };
  const first = begin();
  const answer =
    delayMs === undefined ? await first : await withSecond(first, begin, delayMs, policy);
  policy.answered(performance.now() - begun);
  return answer;
}

async function withSecond<T>(
  first: Promise<T>,
  begin: () => Promise<T>,
  delayMs: number,
  policy: HedgePolicy,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, delayMs, 'late');
  });
  try {
    const outcome = await Promise.race([first.then((answer) => ({ answer })), late]);
    if (outcome !== 'late') return outcome.answer;
  } finally {
    clearTimeout(timer);
  }
  if (!policy.take()) return first;
  try {
    return await Promise.any([first, begin()]);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
