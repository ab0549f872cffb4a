import type { DeltaState } from '../../storage/catalog/delta-catalog.ts';

/** Of rows that policy wanted when it last looked. */
const NOT_RETIRED: readonly DeltaState[] = [
  'pending',
  'building',
  'proving',
  'published',
  'rejected',
  'failed',
];
const PAGE = 1000;

/** Every row of a matrix that is not retired, ascending by id. */
export async function rowsNotRetired<Row extends { readonly id: number }>(matrix: {
  list(filter: {
    readonly states: readonly DeltaState[];
    readonly after: number | undefined;
    readonly limit: number;
  }): Promise<readonly Row[]>;
}): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (;;) {
    const page = await matrix.list({
      states: NOT_RETIRED,
      after: rows.at(-1)?.id,
      limit: PAGE,
    });
    rows.push(...page);
    if (page.length < PAGE) return rows;
  }
}
