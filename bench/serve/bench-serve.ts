import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { digestOf } from '../../storage/digest.ts';
import { startServer } from '../demo/programs.ts';
import { writeReport } from '../report-files.ts';
import { formatCount, formatTable } from '../table.ts';
import { findTool } from '../tools.ts';
import { loadLarge, loadSmall, type LoadResult } from './load.ts';
import { startNginx } from './nginx.ts';

const ROUNDS = 3;
const SECONDS = 5;

/** One size of blob and how it is asked for. */
interface Load {
  readonly title: string;
  readonly bytes: number;
  run(url: string, seconds: number): Promise<LoadResult>;
}

const LOADS: readonly Load[] = [
  { title: '4 KiB', bytes: 4096, run: (url, seconds) => loadSmall(url, 50, seconds) },
  {
    title: '100 MB',
    bytes: 100_000_000,
    run: (url, seconds) => loadLarge(url, 100_000_000, 4, seconds),
  },
];

interface Row {
  readonly title: string;
  readonly ours: LoadResult;
  readonly nginx: LoadResult;
}

/**
 * `npm run bench -- serve`: blobs from an origin with one serving process against nginx with one
 * worker over the same bytes, in turns in one run; medians of the rounds.
 */
export async function benchServe(): Promise<void> {
  const tool = await findTool('nginx', ['-v']);
  if (tool === undefined) throw new Error('nginx is not installed: apt-get install nginx-light');
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-bench-'));
  const files = join(dir, 'files');
  await mkdir(files);
  const origin = await startServer(
    ['serve', '--data', join(dir, 'data'), '--listen', '127.0.0.1:0', '--log-level', 'error'],
    join(dir, 'origin.log'),
  );
  const nginx = await startNginx(join(dir, 'nginx'), files);
  try {
    const rows: Row[] = [];
    for (const load of LOADS) {
      const path = await putBlob(origin.url, files, randomBytes(load.bytes));
      rows.push(await compare(load, `${origin.url}${path.ours}`, `${nginx.url}${path.nginx}`));
    }
    await writeReport('serve', markdown(rows, tool.version), { peer: tool, rounds: ROUNDS, rows });
  } finally {
    await nginx.stop();
    await origin.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Uploads a blob to the origin and lays the same bytes before nginx. */
async function putBlob(
  origin: string,
  files: string,
  bytes: Buffer,
): Promise<{ ours: string; nginx: string }> {
  const digest = digestOf(bytes);
  const answer = await fetch(`${origin}/v2/bench/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes),
  });
  if (answer.status !== 201) throw new Error(`the upload was answered ${answer.status}`);
  const name = digest.slice('sha256:'.length);
  await writeFile(join(files, name), bytes);
  return { ours: `/v1/blobs/${digest}`, nginx: `/${name}` };
}

async function compare(load: Load, ourUrl: string, nginxUrl: string): Promise<Row> {
  const ours: LoadResult[] = [];
  const nginx: LoadResult[] = [];
  await load.run(ourUrl, 1);
  await load.run(nginxUrl, 1);
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await load.run(ourUrl, SECONDS));
    nginx.push(await load.run(nginxUrl, SECONDS));
  }
  return { title: load.title, ours: median(ours), nginx: median(nginx) };
}

function median(results: readonly LoadResult[]): LoadResult {
  const sorted = [...results].sort((a, b) => a.bytesPerSecond - b.bytesPerSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('no result');
  return middle;
}

function markdown(rows: readonly Row[], version: string): string {
  const head = [
    'blob',
    'ours req/s',
    'ours MB/s',
    'ours p99 ms',
    'nginx req/s',
    'nginx MB/s',
    'nginx p99 ms',
    'ours / nginx',
  ];
  const cells = (result: LoadResult): string[] => [
    formatCount(Math.round(result.requestsPerSecond * 10) / 10),
    formatCount(Math.round(result.bytesPerSecond / 1e6)),
    result.p99Ms.toFixed(1),
  ];
  const table = rows.map(({ title, ours, nginx }) => [
    title,
    ...cells(ours),
    ...cells(nginx),
    (ours.bytesPerSecond / nginx.bytesPerSecond).toFixed(2),
  ]);
  return `Serving blobs, one process each (4 KiB: autocannon, 50 connections; 100 MB: 4 connections of node:http), medians of ${ROUNDS} rounds of ${SECONDS} s in turns; ${version}\n\n${formatTable(head, table)}`;
}
