import type { Instant } from './spend/account-clock.ts';
import { readStanding, type Standing } from './spend/standing.ts';
import type { DeviceOptions } from './options.ts';
import type { Output } from './output.ts';
import { otherSlot, type DevicePaths } from './paths.ts';
import { reasonInWords } from './reasons.ts';
import { countReports } from './reports.ts';
import { currentSlot, readSlot } from './slot.ts';
import { readState, type LastResult, type RunState } from './state.ts';

/**
 * Prints what runs, what comes next, why nothing happened, how the quota stands and what waits to be
 * reported; changes nothing.
 */
export async function printStatus(
  paths: DevicePaths,
  options: Pick<DeviceOptions, 'quota'>,
  now: Instant,
  output: Output,
): Promise<void> {
  const slot = await currentSlot(paths);
  const state = await readState(paths.state);
  const running = slot === undefined ? undefined : await readSlot(paths, slot);
  const digest = running?.image.manifest.digest;
  const previous = state.slots[otherSlot(slot)];
  const queuedReports = await countReports(paths.reports);
  const since = state.activatedMs === undefined ? undefined : isoTime(state.activatedMs);
  const { last, run } = state;
  const next = nextOf(run);
  const standing = await readStanding(paths.usage, options.quota, now);
  const lines = [
    slot === undefined
      ? 'running: nothing is installed'
      : `running: ${digest ?? 'a damaged release'} in slot ${slot}${since === undefined ? '' : ` since ${since}`}`,
    `other:   ${previous === undefined ? 'no verified release' : previous.digest}`,
    `next:    ${next === undefined ? 'nothing' : nextLine(next, standing)}`,
    `last:    ${last === undefined ? 'no run yet' : `${last.outcome} at ${isoTime(last.atMs)}`}`,
    ...(last === undefined ? [] : [`why:     ${whyLine(last)}`]),
    `wire:    ${standing.periods.map(periodText).join('; ')}`,
    `reports: ${queuedReports} queued`,
  ];
  output.print(lines.join('\n'), {
    event: 'status',
    current: slot === undefined ? undefined : { digest, slot, sinceMs: state.activatedMs },
    previous: slot === undefined ? undefined : previous,
    phase: run?.phase,
    next: next === undefined ? undefined : { ...next, wireBytes: costOf(next.digest, standing) },
    last,
    why: last === undefined ? undefined : whyOf(last),
    wire: standing.periods,
    refused: state.refused,
    queuedReports,
  });
}

interface NextRelease {
  readonly digest: string;
  readonly phase: RunState['phase'];
}

/** The release that is on its way; undefined when the last one has come to its end. */
function nextOf(run: RunState | undefined): NextRelease | undefined {
  if (run === undefined || run.phase === 'healthy' || run.phase === 'rolled_back') return undefined;
  return { digest: run.decision.target.digest, phase: run.phase };
}

function nextLine({ digest, phase }: NextRelease, standing: Standing): string {
  return `${digest}, ${phase}, ${costOf(digest, standing)} bytes on the wire so far`;
}

function costOf(digest: string, { targets }: Standing): number {
  return targets.find((target) => target.digest === digest)?.bytes ?? 0;
}

function whyOf({ code, outcome, untilMs }: LastResult): {
  readonly code: string;
  readonly untilMs?: number | undefined;
} {
  return { code: code ?? outcome, untilMs };
}

function whyLine(last: LastResult): string {
  const { code, untilMs } = whyOf(last);
  const message = last.message === undefined ? '' : `: ${last.message}`;
  return `${reasonInWords(code, untilMs)}${message}`;
}

function periodText({
  period,
  spentBytes,
  quotaBytes,
  untilMs,
}: Standing['periods'][number]): string {
  const of = quotaBytes === undefined ? '' : ` of ${quotaBytes}`;
  const until = untilMs === undefined ? '' : `, spent until ${isoTime(untilMs)}`;
  return `${period} ${spentBytes}${of} bytes${until}`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
