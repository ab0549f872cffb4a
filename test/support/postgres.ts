import { findPostgres } from '../../bench/nodes/postgres-server.ts';

export { startPostgres, type PostgresServer } from '../../bench/nodes/postgres-server.ts';

/**
 * The folder of PostgreSQL's programs. Undefined when there is none, after a line that says so; under
 * `CI=true` that is an error.
 */
export function needPostgres(): string | undefined {
  const found = findPostgres();
  if (found !== undefined) return found;
  const message =
    'PostgreSQL is not installed (looked at RIVULET_POSTGRES, PATH, /usr/lib/postgresql)';
  if (process.env['CI'] === 'true') throw new Error(message);
  process.stdout.write(`skip: ${message}\n`);
  return undefined;
}
