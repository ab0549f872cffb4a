import type { EngineBenchOptions } from './options.ts';
import { failuresOf, type Results } from './results.ts';

/** The rest of a failure's words is in the JSON. */
const REASON_CHARACTERS = 300;

/** Lines over the tables: how it was measured, by which programs, and what is missing. */
export function conditionsOf(
  results: Results,
  { rounds, quick, proof }: Pick<EngineBenchOptions, 'rounds' | 'quick' | 'proof'>,
): string {
  const tools = results.coders.map(({ title, tool }) => `${title} (${shortVersion(tool.version)})`);
  const lines = [
    'Every delta was applied again and the new file compared by sha256. Each program ran as a process of its own, start included, one at a time.',
    `Medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}${quick ? '; small pairs only' : ''}.`,
    proof
      ? 'Ours applies every delta while building, too, to prove it.'
      : 'Ours builds with --no-proof: applying is measured by itself, as for the peers.',
    `Programs: ${[...new Set(tools)].join('; ')}.`,
    ...(results.absent.length === 0 ? [] : [`Not installed: ${results.absent.join(', ')}.`]),
    ...results.skipped.map(({ pair, reason }) => `Left out: ${pair} (${reason}).`),
    ...failuresOf(results).map((text) => text.replace(/\s+/g, ' ').slice(0, REASON_CHARACTERS)),
  ];
  return lines.map((line) => `- ${line}`).join('\n');
}

/** The version out of what a program says of itself; all of it when there is none. */
function shortVersion(text: string): string {
  return /[0-9]+(\.[0-9]+)+[-+.~0-9a-z]*/i.exec(text)?.[0] ?? text;
}
