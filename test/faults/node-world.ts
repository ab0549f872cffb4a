import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startMinio, type MinioServer } from '../clients/minio.ts';
import {
  runRivulet,
  startProgram,
  startRivulet,
  type CommandResult,
  type RunningProgram,
  type ServerProcess,
} from '../clients/rivulet.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';

/** A delta job that came to an end, as a node's log tells. */
export interface EndedJob {
  readonly repo: string;
  /** Absent for a static delta from scratch. */
  readonly from?: string;
  readonly to: string;
  readonly kind: string;
}

/** Origins over one bucket and one database, each with an empty folder of its own. */
export class NodeWorld {
  readonly postgres: PostgresServer;
  /** The database's URL. */
  readonly url: string;
  readonly #minio: MinioServer;
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #nodes: ServerProcess[] = [];
  /** Logs of the dead. */
  #log = '';
  #folders = 0;
  #dead: number | undefined;

  private constructor(
    minio: MinioServer,
    postgres: PostgresServer,
    place: { readonly dir: string; readonly bucket: string; readonly url: string },
  ) {
    this.#minio = minio;
    this.postgres = postgres;
    this.url = place.url;
    this.#dir = place.dir;
    this.#env = {
      RIVULET_STORE_KIND: 's3',
      RIVULET_STORE_ENDPOINT: minio.endpoint,
      RIVULET_STORE_BUCKET: place.bucket,
      RIVULET_STORE_ACCESS_KEY: minio.accessKey,
      RIVULET_STORE_SECRET_KEY: minio.secretKey,
      RIVULET_CATALOG_URL: place.url,
      RIVULET_CATALOG_POOL_SIZE: '4',
      // What a killed builder had claimed is soon taken again.
      RIVULET_MATRIX_LEASE_MS: '3000',
      RIVULET_MATRIX_MAX_ATTEMPTS: '100',
      RIVULET_MATRIX_RECONCILE_MS: '1000',
    };
  }

  static async start(
    minioPath: string,
    postgresBin: string,
    count: number,
    env: NodeJS.ProcessEnv = {},
  ): Promise<NodeWorld> {
    const dir = await mkdtemp(join(tmpdir(), 'rivulet-nodes-'));
    const [minio, postgres] = await Promise.all([
      startMinio(minioPath),
      startPostgres(postgresBin),
    ]);
    const url = await postgres.makeDatabase();
    const world = new NodeWorld(minio, postgres, { dir, bucket: await minio.makeBucket(), url });
    Object.assign(world.#env, env);
    // All at once, over a database without a schema.
    world.#nodes.push(...(await Promise.all(Array.from({ length: count }, () => world.#serve()))));
    return world;
  }

  get count(): number {
    return this.#nodes.length;
  }

  /** The address of the n-th node; they go round. */
  node(n: number): string {
    return this.#at(n).url;
  }

  /** Any of those that live, as a balancer picks that looks after them. */
  anyNode(): string {
    const living = this.#nodes.filter((_, n) => n !== this.#dead);
    const node = living[Math.floor(Math.random() * living.length)];
    if (node === undefined) throw new Error('no node lives');
    return node.url;
  }

  /** SIGKILL in the middle of what it does; then another takes its place, in another folder. */
  async replace(n: number): Promise<void> {
    const dead = this.#at(n);
    const killed = dead.kill();
    this.#dead = n;
    await killed;
    this.#log += dead.log();
    this.#nodes[n] = await this.#serve();
    this.#dead = undefined;
  }

  /** A node more. */
  async add(): Promise<string> {
    const node = await this.#serve();
    this.#nodes.push(node);
    return node.url;
  }

  /** A command that works on the store, from a folder in which nothing is. */
  command(...args: readonly string[]): Promise<CommandResult> {
    return runRivulet([...args, '--data', this.#folder()], this.#env);
  }

  /** A worker over the same bucket and database, in a folder of its own. */
  startWorker(): Promise<RunningProgram> {
    return startProgram(['worker', '--data', this.#folder()], this.#env);
  }

  /** Jobs of deltas that ended, on any node, living or dead. */
  endedDeltas(): readonly EndedJob[] {
    return endedDeltasIn([this.#log, ...this.#nodes.map((node) => node.log())].join(''));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
    await this.#minio.stop();
    await this.postgres.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  #at(n: number): ServerProcess {
    const node = this.#nodes[n % this.#nodes.length];
    if (node === undefined) throw new Error('no node');
    return node;
  }

  #serve(): Promise<ServerProcess> {
    return startRivulet(['serve', '--data', this.#folder(), '--listen', '127.0.0.1:0'], this.#env);
  }

  #folder(): string {
    this.#folders += 1;
    return join(this.#dir, `data-${this.#folders}`);
  }
}

/** Jobs of deltas, of images and of commits, that ended, as a log tells. */
export function endedDeltasIn(log: string): readonly EndedJob[] {
  return log
    .split('\n')
    .filter((line) => /"(?:static )?delta job ended"/.test(line))
    .map((line) => JSON.parse(line) as EndedJob);
}
