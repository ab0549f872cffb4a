/** A table for a terminal and for Markdown: the first column left, the others right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${padded.join(' | ')} |`;
  };
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Whole numbers with thousands separated. */
export function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}

/** The geometric mean of positive numbers. */
export function geometricMean(values: readonly number[]): number {
  const logs = values.map((value) => Math.log(value));
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / values.length);
}
