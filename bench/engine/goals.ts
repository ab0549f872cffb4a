import { formatTable } from '../table.ts';

/** What is asked for, and whether this run shows it. */
export interface Goal {
  readonly title: string;
  readonly bound: { readonly kind: 'at most' | 'at least'; readonly value: number };
  /** Behind the bound and the measured number: `x`, ` MB`. */
  readonly unit: string;
  /** Undefined: this run did not measure it. */
  readonly measured: number | undefined;
  /** Over which pairs. */
  readonly over: string;
}

export function isMet({ bound, measured }: Goal): boolean | undefined {
  if (measured === undefined) return undefined;
  return bound.kind === 'at most' ? measured <= bound.value : measured >= bound.value;
}

export function goalTable(goals: readonly Goal[]): string {
  return formatTable(
    ['asked for', 'bound', 'measured', 'over', 'met'],
    goals.map((goal) => {
      const { title, bound, unit, measured, over } = goal;
      const met = isMet(goal);
      return [
        title,
        `${bound.kind} ${bound.value}${unit}`,
        measured === undefined ? 'not measured' : `${Number(measured.toFixed(3))}${unit}`,
        measured === undefined ? '' : over,
        met === undefined ? '' : met ? 'yes' : 'no',
      ];
    }),
  );
}
