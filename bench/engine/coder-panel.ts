import type { Panel } from './bar-chart.ts';
import { isOurs } from './ours.ts';
import type { Results } from './results.ts';

/** A bar for each coder. */
export function coderPanel(
  { coders }: Results,
  title: string,
  format: (value: number) => string,
  valueOf: (coder: string) => number,
): Panel {
  const bars = coders.map(({ name, title: label }) => {
    const value = valueOf(name);
    return { label, value, text: format(value), isOurs: isOurs(name) };
  });
  return { title, bars };
}
