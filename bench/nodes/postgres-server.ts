import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';

import { makeScratch } from '../scratch.ts';
import { freePort } from '../free-port.ts';

/** Where Debian has its versions' programs, which are not on the PATH. */
const DEBIAN = '/usr/lib/postgresql';
const ADMIN = 'rivulet';

/** A PostgreSQL server of one's own, on loopback, with a fresh folder; its collation is English. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly password: string;
  /** Makes a database of a fresh name, as a copy of `template` if there is one, and resolves to its URL. */
  makeDatabase(template?: string): Promise<string>;
  /** Runs a statement in a database, as its owner, who is a superuser. */
  run(url: string, statement: string): Promise<readonly Record<string, unknown>[]>;
  /** Ends it, connections and all, as a crash does, and starts it again after `whileGone`. */
  crash(whileGone?: () => Promise<unknown>): Promise<void>;
  stop(): Promise<void>;
}

/** The folder of PostgreSQL's programs: `RIVULET_POSTGRES`, where `initdb` is on the PATH, or Debian's newest. */
export function findPostgres(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter);
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => +b - +a) : [];
  const folders = [
    process.env['RIVULET_POSTGRES'],
    ...onPath,
    ...versions.map((version) => join(DEBIAN, version, 'bin')),
  ];
  return folders.find((folder) => folder !== undefined && existsSync(join(folder, 'initdb')));
}

/**
 * Starts a server with the programs in `bin`; resolves once it answers. With `tls`, PEM texts, it takes
 * connections with TLS as well.
 */
export async function startPostgres(
  bin: string,
  settings: readonly string[] = [],
  tls?: { readonly cert: string; readonly key: string },
): Promise<PostgresServer> {
  const user = await unprivileged();
  const { path: folder, remove } = await makeScratch('postgres');
  const data = join(folder, 'data');
  const password = randomBytes(12).toString('hex');
  const secret = join(folder, 'password');
  const files = new Map([[secret, password]]);
  const [certFile, keyFile] = [join(folder, 'server.pem'), join(folder, 'server.key')];
  if (tls !== undefined) files.set(certFile, tls.cert).set(keyFile, tls.key);
  for (const [path, text] of files) await writeFile(path, text, { mode: 0o600 });
  if (user !== undefined)
    for (const path of [folder, ...files.keys()]) await chown(path, user.uid, user.gid);
  const init = ['-D', data, '-U', ADMIN, '-A', 'scram-sha-256', `--pwfile=${secret}`, '--no-sync'];
  const collation = ['-E', 'UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en'];
  await promisify(execFile)(join(bin, 'initdb'), [...init, ...collation], { ...user, cwd: folder });
  const port = await freePort();
  const log = join(folder, 'log');
  const options = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'fsync=off',
    'full_page_writes=off',
    ...(tls === undefined
      ? []
      : ['ssl=on', `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`]),
    ...settings,
  ].flatMap((setting) => ['-c', setting]);
  const urlOf = (database: string): string =>
    `postgres://${ADMIN}:${password}@127.0.0.1:${port}/${database}`;
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      'sh',
      ['-c', 'exec "$0" "$@" 2>>"$LOG"', join(bin, 'postgres'), '-D', data, ...options],
      {
        ...user,
        cwd: folder,
        stdio: 'ignore',
        env: { ...process.env, LOG: log },
      },
    );
    await untilReady(urlOf('postgres'), child, log);
    return child;
  };
  let child = await start();
  return {
    host: '127.0.0.1',
    port,
    password,
    async makeDatabase(template) {
      const name = `r${randomBytes(6).toString('hex')}`;
      const from = template === undefined ? '' : ` template ${new URL(template).pathname.slice(1)}`;
      await create(urlOf('postgres'), `create database ${name}${from}`);
      return urlOf(name);
    },
    run,
    async crash(whileGone) {
      await end(child, 'SIGQUIT');
      await whileGone?.();
      child = await start();
    },
    async stop() {
      await end(child, 'SIGINT');
      await remove();
    },
  };
}

async function run(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** A template must have no connection, and those that were closed end a moment later. */
async function create(url: string, statement: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await run(url, statement);
      return;
    } catch (error) {
      if (tries >= 100 || !String(error).includes('is being accessed')) throw error;
      await sleep(20);
    }
  }
}

/** PostgreSQL refuses to run as root: then as its own user, or as nobody. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const line = (await readFile('/etc/passwd', 'utf8')).match(
      new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm'),
    );
    if (line !== null) return { uid: Number(line[1]), gid: Number(line[2]) };
  }
  throw new Error('PostgreSQL needs a user beside root');
}

async function untilReady(url: string, child: ChildProcess, log: string): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) {
      throw new Error(
        `postgres ended with status ${child.exitCode}: ${await readFile(log, 'utf8')}`,
      );
    }
    const ready = await run(url, 'select 1').then(
      () => true,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new Error('postgres did not become ready');
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
