import type { ClientConfig } from 'pg';

import { StorageError } from '../../errors.ts';
import { POSTGRES_TYPES } from './values.ts';

/** Where a catalog on PostgreSQL is, and how it is reached. */
export interface PostgresLocation {
  /** `postgres://USER:PASSWORD@HOST[:PORT]/DATABASE`; `%2F...` as the host is the folder of a Unix socket. */
  readonly url: string;
  /** Connections that this process has at most, beside one that listens. */
  readonly poolSize: number;
  /** Undefined: as the URL's `sslmode` says, which is none by default. A URL that says so itself is refused beside it. */
  readonly tls?: PostgresTls | undefined;
}

/** PEM texts. The server's certificate is always checked, against `ca` or else the system's authorities. */
export interface PostgresTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** `PostgreSQL at HOST:PORT/DATABASE`: for messages. Throws `unavailable` for a text that is no such URL. */
export function describeLocation({ url }: PostgresLocation): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(?:ql)?:$/.test(parsed.protocol)) {
    throw new StorageError(
      'unavailable',
      'catalog.url is not postgres://USER:PASSWORD@HOST:PORT/DATABASE (special characters as %XX): correct it',
      { retryable: false },
    );
  }
  const host =
    decodeURIComponent(parsed.hostname) || parsed.searchParams.get('host') || 'localhost';
  const port = parsed.port === '' ? '5432' : parsed.port;
  return `PostgreSQL at ${host}:${port}${decodeURIComponent(parsed.pathname)}`;
}

/** Nobody waits longer for a connection. */
const CONNECT_MS = 10_000;
/** A process that hangs within a transaction loses it: others wait for its rows. */
const HUNG_MS = 15_000;
/** As long as a writer of SQLite waits for its turn. */
const LOCK_MS = 10_000;

/** The driver lets the URL's go before those of the program, `sslmode=disable` among them. */
const TLS_PARAMETERS = ['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert'];

/**
 * What every connection is made with, for a URL that `describeLocation` has taken. Throws `unavailable` when
 * it says how TLS is used and `tls` does as well.
 */
export function connectionOptions({ url, tls }: PostgresLocation): ClientConfig {
  const said = tls === undefined ? [] : [...new URL(url).searchParams.keys()];
  const twice = said.find((name) => TLS_PARAMETERS.includes(name));
  if (twice !== undefined) {
    throw new StorageError(
      'unavailable',
      `catalog.url has ${twice} and there is catalog.tls as well: leave one out`,
      { retryable: false },
    );
  }
  return {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    idle_in_transaction_session_timeout: HUNG_MS,
    lock_timeout: LOCK_MS,
    keepAlive: true,
    application_name: 'rivulet',
    types: POSTGRES_TYPES,
    ...(tls !== undefined && { ssl: { ...tls, rejectUnauthorized: true } }),
  };
}
