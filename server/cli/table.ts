/** How a column stands: text to the left, numbers to the right. */
export interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
}

/** Lines of a table with one space more between columns than a cell needs; heads come first. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = columns.map(({ head }, n) =>
    Math.max(head.length, ...rows.map((row) => (row[n] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, n) => {
        const cell = cells[n] ?? '';
        const width = widths[n] ?? 0;
        return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ head }) => head)), ...rows.map(line)];
}
