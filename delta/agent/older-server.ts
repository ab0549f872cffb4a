import type { ReportedEvent } from './protocol.ts';

/** As servers of before `wireBytes` take a report; undefined when it has nothing that they would refuse. */
export function forOlderServer<R extends { readonly events: readonly ReportedEvent[] }>(
  report: R,
): R | undefined {
  const { events } = report;
  if (!events.some(({ wireBytes }) => wireBytes !== undefined)) return undefined;
  return { ...report, events: events.map((event) => ({ ...event, wireBytes: undefined })) };
}
