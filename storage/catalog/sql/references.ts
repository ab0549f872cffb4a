import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';

import type { DanglingRow, ReferenceName } from '../repair-catalog.ts';
import type { Schema } from '../schema.ts';

interface Reference {
  readonly table: string;
  readonly parent: string;
  /** Column of the row, and of what it names. */
  readonly columns: readonly (readonly [string, string])[];
}

/** Every reference that a foreign key holds, so that rows changed behind its back are found. */
const REFERENCES: Readonly<Record<ReferenceName, Reference>> = {
  'tags to manifests': reference('tags', 'manifests', ['repo', 'repo'], ['digest', 'digest']),
  'manifest_children to manifests': reference(
    'manifest_children',
    'manifests',
    ['repo', 'repo'],
    ['parent', 'digest'],
  ),
  'upload_parts to uploads': reference('upload_parts', 'uploads', ['upload_id', 'id']),
  'layer_packs to layers': reference('layer_packs', 'layers', ['layer', 'digest']),
  'layer_packs to packs': reference('layer_packs', 'packs', ['pack', 'digest']),
  'chunks to packs': reference('chunks', 'packs', ['pack', 'digest']),
  'ostree_object_chunks to packs': reference('ostree_object_chunks', 'packs', ['pack', 'digest']),
  'ostree_object_chunks to ostree_objects': reference('ostree_object_chunks', 'ostree_objects', [
    'object',
    'id',
  ]),
  'ostree_edges to ostree_objects': reference('ostree_edges', 'ostree_objects', ['child', 'id']),
  'ostree_repo_objects to ostree_objects': reference('ostree_repo_objects', 'ostree_objects', [
    'object',
    'id',
  ]),
  'ostree_delta_files to ostree_deltas': reference('ostree_delta_files', 'ostree_deltas', [
    'delta',
    'id',
  ]),
};

function reference(
  table: string,
  parent: string,
  ...columns: readonly (readonly [string, string])[]
): Reference {
  return { table, parent, columns };
}

/** `RepairCatalog.dangling`. */
export async function findDangling(
  db: Kysely<Schema>,
  limit: number,
): Promise<readonly DanglingRow[]> {
  const found: DanglingRow[] = [];
  for (const [name, { table, columns, parent }] of Object.entries(REFERENCES)) {
    const named = columns.map(([own]) => sql.ref(`c.${own}`));
    const { rows } = await sql<Readonly<Record<string, string | number>>>`
      select distinct ${sql.join(named)} from ${sql.table(table)} as c
        where ${nowhere({ table, columns, parent })}
        order by ${sql.join(named)} limit ${limit}`.execute(db);
    for (const row of rows) {
      const key = columns.map(([own]) => String(row[own]));
      found.push({ reference: name as ReferenceName, key });
    }
  }
  return found;
}

/** `RepairCatalog.removeDangling`. */
export async function removeDangling(tx: Transaction<Schema>, row: DanglingRow): Promise<void> {
  const facts = REFERENCES[row.reference];
  const is = sql.join(
    facts.columns.map(([own], n) => sql`${sql.ref(`c.${own}`)} = ${valueOf(facts, row.key[n])}`),
    sql` and `,
  );
  if (row.reference === 'ostree_edges to ostree_objects') {
    const parents = sql`select c.parent from ostree_edges as c where ${is} and ${nowhere(facts)}`;
    await forgetObjects(tx, parents);
  }
  await sql`delete from ${sql.table(facts.table)} as c where ${is} and ${nowhere(facts)}`.execute(
    tx,
  );
}

/** Objects count as missing everywhere: what they are is sent again. `named` selects their numbers. */
export async function forgetObjects(
  tx: Transaction<Schema>,
  named: RawBuilder<unknown>,
): Promise<void> {
  await sql`delete from ostree_repo_objects where object in (${named})`.execute(tx);
  await sql`delete from ostree_object_chunks where object in (${named})`.execute(tx);
  await sql`update ostree_objects set size = null, header = null
    where id in (${named})`.execute(tx);
}

function nowhere({ columns, parent }: Reference): RawBuilder<unknown> {
  const same = columns.map(
    ([own, theirs]) => sql`${sql.ref(`p.${theirs}`)} = ${sql.ref(`c.${own}`)}`,
  );
  return sql`not exists (
    select 1 from ${sql.table(parent)} as p where ${sql.join(same, sql` and `)})`;
}

/** Keys are texts; some columns hold numbers. */
function valueOf({ parent, table }: Reference, key = ''): string | number {
  const numbered = parent === 'ostree_objects' || table === 'ostree_delta_files';
  return numbered ? Number(key) : key;
}
