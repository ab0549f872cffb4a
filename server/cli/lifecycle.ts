/** Prints the one line that says a server answers requests (contract.md). */
export function announce(url: string): void {
  process.stdout.write(`${JSON.stringify({ event: 'listening', url })}\n`);
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
export async function untilSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve();
      });
    }
  });
}
