import type { Output } from './output.ts';
import { otherSlot, type DevicePaths } from './paths.ts';
import { countReports } from './reports.ts';
import { currentSlot, readSlot } from './slot.ts';
import { readState } from './state.ts';

/** Prints what runs, what the last run did and what waits to be reported; changes nothing. */
export async function printStatus(paths: DevicePaths, output: Output): Promise<void> {
  const slot = await currentSlot(paths);
  const state = await readState(paths.state);
  const running = slot === undefined ? undefined : await readSlot(paths, slot);
  const digest = running?.image.manifest.digest;
  const previous = state.slots[otherSlot(slot)];
  const queuedReports = await countReports(paths.reports);
  const since = state.activatedMs === undefined ? undefined : isoTime(state.activatedMs);
  const { last, run } = state;
  const lines = [
    slot === undefined
      ? 'running: nothing is installed'
      : `running: ${digest ?? 'a damaged release'} in slot ${slot}${since === undefined ? '' : ` since ${since}`}`,
    `other:   ${previous === undefined ? 'no verified release' : previous.digest}`,
    last === undefined
      ? 'last:    no run yet'
      : `last:    ${last.outcome} at ${isoTime(last.atMs)}${last.code === undefined ? '' : ` (${last.code})`}`,
    `reports: ${queuedReports} queued`,
  ];
  output.print(lines.join('\n'), {
    event: 'status',
    current: slot === undefined ? undefined : { digest, slot, sinceMs: state.activatedMs },
    previous: slot === undefined ? undefined : previous,
    phase: run?.phase,
    last,
    refused: state.refused,
    queuedReports,
  });
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
