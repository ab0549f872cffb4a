/** Prints the one line that says a server answers requests (contract.md). */
export function announce(url: string): void {
  process.stdout.write(`${JSON.stringify({ event: 'listening', url })}\n`);
}

/**
 * Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. A process that was
 * forked ends with its parent too: a serving process without its primary takes no connections.
 */
export async function untilSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const end of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
      process.once(end, () => {
        resolve();
      });
    }
  });
}
