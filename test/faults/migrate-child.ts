import { openSqlite } from '../../storage/catalog/database.ts';
import { SQLITE_MIGRATIONS } from '../../storage/catalog/migrations.ts';

/** A catalog that is brought up to date by a process which dies before the n-th statement of it. */
async function main(path: string, killAt: number): Promise<void> {
  let count = 0;
  const migrations = SQLITE_MIGRATIONS.map(({ version, statements }) => ({
    version,
    statements: Object.assign([...statements], {
      *[Symbol.iterator]() {
        for (const statement of [...statements]) {
          count += 1;
          if (count === killAt) process.kill(process.pid, 'SIGKILL');
          yield statement;
        }
      },
    }),
  }));
  const { db } = await openSqlite(path, migrations);
  if (count < killAt) process.kill(process.pid, 'SIGKILL');
  await db.destroy();
}

const [path = '', killAt = '0'] = process.argv.slice(2);
await main(path, Number(killAt));
