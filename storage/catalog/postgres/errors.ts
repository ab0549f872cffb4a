import { DatabaseError } from 'pg';

import { errnoOf } from '../../durable.ts';
import { StorageError, type CodedErrorOptions } from '../../errors.ts';

/** What a SQLSTATE is to callers (PostgreSQL's manual, appendix A), and what to do about it. */
const MEANINGS: Readonly<Record<string, string>> = {
  '28000': 'let the user connect in pg_hba.conf, or correct catalog.url',
  '28P01': 'correct the user or the password in catalog.url',
  '3D000': 'create the database, or correct catalog.url',
  '42501': 'grant the user what it lacks: it has to own the schema',
  '25006': 'this is a read-only standby: name the primary in catalog.url',
  '53300': 'raise max_connections, or lower catalog.poolSize',
  '40001': 'other writers kept coming first: try again',
  '40P01': 'other writers kept coming first: try again',
  '55P03': 'another writer holds what is needed for too long: try again',
};

/** Faults of TLS by Node's codes (OpenSSL's names) or, where the driver has none, by its words. */
const TLS_MEANINGS: readonly (readonly [fault: RegExp, advice: string])[] = [
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    'name it in catalog.url as its certificate does, or give it a certificate of that name',
  ],
  [/^CERT_HAS_EXPIRED/, 'renew its certificate'],
  [
    /^(?:CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED)/,
    'name the authority of its certificate in catalog.tls.ca, or as sslrootcert in catalog.url',
  ],
  [/does not support SSL/, 'set ssl = on there, or leave TLS out of the settings'],
];

/** Of these codes the same call comes to the same end until somebody changes something. */
const LASTING = new Set(['28000', '28P01', '3D000', '42501']);
/** A statement was not run, or its transaction is rolled back, since other writers came between. */
const DEADLOCK = '40P01';
const RACED = new Set(['40001', DEADLOCK]);

/**
 * What a fault of PostgreSQL, or of the connection to it, means to callers: a full disk is `no_space`, a
 * broken rule of the schema `conflict`, text that no row can hold `invalid_name`, all else `unavailable`.
 * `where` names the database, never the password. What is an error of ours passes through.
 */
export function mapPostgresError(error: unknown, where: string): unknown {
  if (error instanceof StorageError || !(error instanceof Error)) return error;
  if (error instanceof DatabaseError) return mapDatabaseError(error, where);
  const tls = TLS_MEANINGS.find(([fault]) =>
    fault.test(`${errnoOf(error) ?? ''} ${error.message}`),
  );
  if (tls !== undefined) {
    return new StorageError('unavailable', `${where} is refused (${error.message}): ${tls[1]}`, {
      ...{ cause: error, detail: { where }, retryable: false },
    });
  }
  return isLostConnection(error)
    ? new StorageError('unavailable', `${where} does not answer (${error.message}): try again`, {
        cause: error,
        detail: { where },
      })
    : error;
}

/** True for what `mapPostgresError` made of a transaction that lost against another, and can be done again. */
export function isRaced(error: unknown): boolean {
  return error instanceof StorageError && RACED.has(String(error.detail['sqlstate']));
}

/** True of those where two waited for each other. */
export function isDeadlock(error: unknown): boolean {
  return error instanceof StorageError && error.detail['sqlstate'] === DEADLOCK;
}

function mapDatabaseError(error: DatabaseError, where: string): StorageError {
  const { code = '', message } = error;
  const options: CodedErrorOptions = { cause: error, detail: { where, sqlstate: code } };
  const said = `${code}: ${message}`;
  if (code === '53100') {
    return new StorageError(
      'no_space',
      `no space left for ${where} (${said}): free some and try again`,
      options,
    );
  }
  if (code.startsWith('23')) {
    return new StorageError('conflict', `${where} refused a row (${said})`, options);
  }
  if (code === '22021' || code === '22P05') {
    return new StorageError(
      'invalid_name',
      `${where} can't hold a text with the character NUL: leave it out`,
      options,
    );
  }
  const advice = MEANINGS[code];
  return new StorageError(
    'unavailable',
    `${where} failed (${said})${advice === undefined ? '' : `: ${advice}`}`,
    { ...options, retryable: !LASTING.has(code) },
  );
}

/** The driver has no class for these: a socket's fault has a code, its own ones only words. */
function isLostConnection(error: Error): boolean {
  return (
    'code' in error ||
    /\b(?:connection|connect|client|timeout|not queryable|SSL|certificate)\b/i.test(error.message)
  );
}
