import type BetterSqlite3 from 'better-sqlite3';

import { StorageError } from '../../errors.ts';
import type { Row } from './row-sum.ts';

/** A table, and the columns that both engines have to know it by. */
export interface SourceTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
  /** The largest number that its counter gave out, where it has one: numbers are never given twice. */
  readonly counter: number | undefined;
}

/** Reads a SQLite catalog as tables of rows, whatever they are. One statement at a time. */
export class SqliteSource {
  readonly #raw: BetterSqlite3.Database;

  constructor(raw: BetterSqlite3.Database) {
    this.#raw = raw;
  }

  /** Keeps writers out until {@link end}: what is read is what is left behind. */
  begin(path: string): void {
    try {
      this.#raw.exec('begin immediate');
    } catch (cause) {
      throw new StorageError(
        'unavailable',
        `${path} is being written: stop every origin and worker`,
        {
          cause,
        },
      );
    }
  }

  end(): void {
    if (this.#raw.inTransaction) this.#raw.exec('rollback');
  }

  /** Tables, each after those that it refers to. */
  tables(): readonly SourceTable[] {
    const names = this.#texts(
      `select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name`,
      'name',
    );
    const sorted: string[] = [];
    const place = (name: string): void => {
      if (sorted.includes(name)) return;
      for (const parent of this.#texts(`pragma foreign_key_list("${name}")`, 'table')) {
        if (parent !== name) place(parent);
      }
      sorted.push(name);
    };
    names.forEach(place);
    return sorted.map((name) => this.#describe(name));
  }

  rows(table: SourceTable): IterableIterator<Row> {
    return this.#raw.prepare<[], Row>(`select * from "${table.name}"`).iterate();
  }

  #describe(name: string): SourceTable {
    const columns = this.#texts(`pragma table_info("${name}")`, 'name');
    const [count] = this.#all(`select count(*) as rows from "${name}"`);
    const counted = this.#all(`select 1 from sqlite_schema where name = 'sqlite_sequence'`);
    const [counter] =
      counted.length === 0
        ? []
        : this.#all(`select seq from sqlite_sequence where name = '${name}'`);
    return {
      name,
      columns,
      rows: Number(count?.['rows'] ?? 0),
      counter: counter === undefined ? undefined : Number(counter['seq']),
    };
  }

  #texts(statement: string, column: string): readonly string[] {
    return this.#all(statement).map((row) => String(row[column]));
  }

  #all(statement: string): readonly Row[] {
    return this.#raw.prepare<[], Row>(statement).all();
  }
}
