import type { Panel } from '../engine/bar-chart.ts';
import { coderPanel } from '../engine/coder-panel.ts';
import type { Findings } from '../engine/finish.ts';
import { footer, resultTable } from '../engine/result-table.ts';
import { commonRows, doneIn, meanRatio, sumOf, type Results } from '../engine/results.ts';
import { formatCount, geometricMean } from '../table.ts';
import { againstReference, referenceTable } from './reference-table.ts';
import { sizeGoals } from './size-goals.ts';

/** Bytes per pair, against the peers of the run and against the design's figures. */
export function sizeFindings(results: Results): Findings {
  const [first] = results.coders;
  const over = (coder: string): number | undefined =>
    first === undefined
      ? undefined
      : meanRatio(results.rows, [first.name, coder], ({ deltaBytes }) => deltaBytes);
  const common = commonRows(results);
  const sum = (coder: string): number => sumOf(common, coder, ({ deltaBytes }) => deltaBytes);
  const sizes = resultTable(results, formatCount, ({ deltaBytes }) => deltaBytes, [
    footer(results, `${first?.title ?? 'first'} / this, geometric mean`, over, 3),
    [
      'sum over the pairs that all did',
      ...results.coders.map(({ name }) => formatCount(sum(name))),
    ],
  ]);
  return {
    title: 'Delta sizes',
    goals: sizeGoals(results),
    sections: [
      ['Bytes', sizes],
      ["Against the design's figures", referenceTable(results)],
    ],
    panels: [sizePanel(results)],
    extra: { reference: againstReference(results) },
  };
}

/** Over the pairs that every coder did. */
function sizePanel(results: Results): Panel {
  const rows = commonRows(results);
  const title = `Delta as a share of the new file, geometric mean over ${rows.length} pairs`;
  return coderPanel(
    results,
    title,
    (value) => `${value.toFixed(2)} %`,
    (name) => {
      const shares = rows.map((row) => (doneIn(row, name)?.deltaBytes ?? 0) / row.newBytes);
      return rows.length === 0 ? 0 : 100 * geometricMean(shares);
    },
  );
}
