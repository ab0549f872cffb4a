/** What the kernel's statistics count, by number (kernel/main.ts, `statBits`). */
const NAMES: readonly string[] = ['control', 'residual', 'literals', 'records'];

export interface Spent {
  readonly what: string;
  /** Coded bytes; a fraction, since bits share bytes. */
  readonly bytes: number;
}

/** Names statistics, leaving out what cost nothing. */
export function nameStatistics(bytes: readonly number[]): readonly Spent[] {
  return bytes
    .map((spent, n) => ({ what: NAMES[n] ?? `part ${n}`, bytes: spent }))
    .filter((spent) => spent.bytes > 0);
}
