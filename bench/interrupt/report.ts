import { formatCount, formatTable } from '../table.ts';
import type { InterruptResult } from './interrupt.ts';
import { KINDS } from './interruptions.ts';
import type { Bytes } from './tally.ts';

/** The share of the bytes that are needed. */
export function share(bytes: number, of: Bytes): number {
  const needed = of.carried - of.twiceCarried;
  return needed === 0 ? 0 : bytes / needed;
}

/** The figures for people. */
export function interruptMarkdown(result: InterruptResult, seed: number): string {
  const { tally, costs, seconds } = result;
  const wrong = tally.findings.filter(({ what }) => what === 'wrong release').length;
  const stuck = tally.findings.length - wrong;
  const { bytes } = tally;
  const marks = [
    ['releases that were not whole, or not the old or the new one', formatCount(wrong), '0'],
    ['devices that did not reach their target', formatCount(stuck), '0'],
    ['bytes fetched again that the device had', percent(share(bytes.twiceHeld, bytes)), '< 1 %'],
  ];
  return [
    `${formatCount(tally.total)} interruptions in ${formatCount(tally.runs)} runs and ${formatCount(tally.legs)} updates, ${formatCount(Math.round(seconds))} s, seed ${seed}`,
    formatTable(['mark', 'found', 'asked'], marks),
    formatTable(
      ['what struck', 'times', 'bytes thereafter', 'again, had', 'again, any'],
      [...KINDS, 'nothing' as const].map((kind) => {
        const of = tally.after[kind];
        return [
          kind,
          kind === 'nothing' ? '-' : formatCount(tally.cycles[kind]),
          formatCount(of.carried),
          formatCount(of.twiceHeld),
          formatCount(of.twiceCarried),
        ];
      }),
    ),
    `"Again, had": bytes of blobs that had lain right on the device's disk, whether its agent kept them or not, and that no power cut had taken. "Again, any": bytes that had crossed its link before on the way to the same release, those that a kill or a power cut took in flight or unsynced included: ${percent(share(bytes.twiceCarried, bytes))} of the bytes needed. Runs whose ranges were stripped are left out of both shares: what came before the range comes again, whatever a device does. A run's bytes stand beside what it went on after, or what it lived through.`,
    `Power cuts met ${formatCount(tally.disk.unsyncedWrites)} writes and ${formatCount(tally.disk.unsyncedNames)} changes of names that no fsync had covered, and lost ${formatCount(tally.disk.lostWrites)} and ${formatCount(tally.disk.lostNames)} of them.`,
    `On the wire in all: ${formatCount(bytes.carried)} bytes of blobs; as many undisturbed updates take ${formatCount(tally.undisturbedBytes)}.`,
    formatTable(
      ['undisturbed, first plan', 'bytes', 'ms', 'steps on the disk'],
      costs.map(({ plan, bytes: wire, ms, steps }) => [
        plan,
        formatCount(wire),
        formatCount(ms),
        formatCount(steps),
      ]),
    ),
    ...tally.findings.map(
      ({ what, device, leg, interruption, detail, folder }) =>
        `**${what}**: device ${device}, ${leg}, after ${interruption}: ${detail} (${folder})`,
    ),
  ].join('\n\n');
}

function percent(value: number): string {
  return `${(value * 100).toFixed(2)} %`;
}
