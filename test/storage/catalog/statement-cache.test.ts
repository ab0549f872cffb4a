import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StatementCache } from '../../../storage/catalog/statement-cache.ts';

describe('prepared statements that are kept', () => {
  let database: BetterSqlite3.Database;
  let cache: StatementCache;

  beforeEach(() => {
    database = new BetterSqlite3(':memory:');
    database.exec('create table t (a integer)');
    database.exec('insert into t values (1), (2)');
    cache = new StatementCache(database);
  });

  afterEach(() => {
    cache.close();
  });

  it('are the same for the same text', () => {
    const first = cache.prepare('select a from t where a = ?');
    expect(cache.prepare('select a from t where a = ?')).toBe(first);
    expect(first.all([2])).toEqual([{ a: 2 }]);
    expect(first.all([3])).toEqual([]);
  });

  it('see a schema that changed', () => {
    expect(cache.prepare('select * from t').all([])).toEqual([{ a: 1 }, { a: 2 }]);
    database.exec('alter table t add column b text default "x"');
    expect(cache.prepare('select * from t').all([])).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'x' },
    ]);
    database.exec('drop table t');
    expect(() => cache.prepare('select * from t').all([])).toThrow('no such table: t');
    database.exec('create table t (c integer)');
    database.exec('insert into t values (7)');
    expect(cache.prepare('select * from t').all([])).toEqual([{ c: 7 }]);
  });

  it('are made anew while one is being read from', () => {
    const text = 'select a from t order by a';
    const rows: unknown[] = [];
    for (const row of cache.prepare(text).iterate([])) {
      expect(cache.prepare(text).all([])).toEqual([{ a: 1 }, { a: 2 }]);
      rows.push(row);
    }
    expect(rows).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it('are not kept without end, nor when their text is long', () => {
    const first = cache.prepare('select 0');
    for (let i = 1; i <= 128; i += 1) cache.prepare(`select ${i}`);
    expect(cache.prepare('select 0')).not.toBe(first);
    const long = `select '${'x'.repeat(5000)}' as text`;
    expect(cache.prepare(long)).not.toBe(cache.prepare(long));
    expect(cache.prepare(long).all([])).toEqual([{ text: 'x'.repeat(5000) }]);
  });

  it('fail as a statement that is wrong', () => {
    expect(() => cache.prepare('selec')).toThrow('syntax error');
  });
});
