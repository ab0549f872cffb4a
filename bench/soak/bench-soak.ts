import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { writeReport } from '../report-files.ts';
import { makeContent } from '../serve/content.ts';
import { findGenerators } from '../serve/generators.ts';
import type { Generator, LoadPlan, PlannedGet } from '../serve/load/load.ts';
import { rivuletPeer } from '../serve/peers/rivulet.ts';
import { processUse } from '../serve/process-use.ts';
import { pushBlobs } from '../serve/push.ts';
import { formatCount, formatTable } from '../table.ts';

const REQUESTS = 1_000_000;
/** Lines of the report. */
const LEGS = 10;
const SECONDS = 2;
const CONNECTIONS = 50;
const SMALL_BLOBS = 1000;
const LARGE_BYTES = 10_000_000;
const RANGE_BYTES = 64 * 1024;

interface Leg {
  readonly requests: number;
  readonly rssBytes: number;
}

/**
 * `npm run bench -- soak`: the memory of one serving process over a million requests, of which whole
 * small blobs and ranges of a large one take half of the time each.
 */
export async function benchSoak(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { requests: { type: 'string' } } });
  const wanted = Number(values.requests ?? REQUESTS);
  if (!Number.isInteger(wanted) || wanted < LEGS) throw new Error(`--requests is at least ${LEGS}`);
  const generator = (await findGenerators()).small;
  const dir = await mkdtemp(join(tmpdir(), 'rivulet-soak-'));
  try {
    const legs = await soak(dir, generator, wanted);
    await writeReport('soak', soakMarkdown(legs, generator), { legs }, { args });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function soak(dir: string, generator: Generator, wanted: number): Promise<Leg[]> {
  const content = await makeContent(join(dir, 'content'), {
    manyBlobs: SMALL_BLOBS,
    largeBytes: LARGE_BYTES,
  });
  const peer = rivuletPeer();
  const server = await peer.start({ dir: join(dir, 'rivulet'), content: dir, workers: 1 });
  try {
    await pushBlobs(server.url, [...content.many, ...content.large]);
    const whole = content.many.map(({ digest, bytes }) => ({ path: peer.blobPath(digest), bytes }));
    const parts = content.large.flatMap(({ digest, bytes }) =>
      ranges(peer.blobPath(digest), bytes),
    );
    const plans = [whole, parts].map((gets) => planOf(server.url, gets));
    const legs: Leg[] = [{ requests: 0, rssBytes: (await processUse(server.pid)).rssBytes }];
    for (let requests = 0; requests < wanted;) {
      const end = Math.min(wanted, requests + wanted / LEGS);
      while (requests < end) {
        for (const plan of plans) requests += (await generator.run(plan)).requests;
      }
      legs.push({ requests, rssBytes: (await processUse(server.pid)).rssBytes });
    }
    return legs;
  } finally {
    await server.stop();
  }
}

function planOf(url: string, gets: readonly PlannedGet[]): LoadPlan {
  const [first, ...others] = gets;
  if (first === undefined) throw new Error('nothing to ask for');
  return { url, gets: [first, ...others], connections: CONNECTIONS, seconds: SECONDS };
}

function ranges(path: string, bytes: number): PlannedGet[] {
  return Array.from({ length: Math.floor(bytes / RANGE_BYTES) }, (_, place) => ({
    path,
    range: `bytes=${place * RANGE_BYTES}-${(place + 1) * RANGE_BYTES - 1}`,
    bytes: RANGE_BYTES,
  }));
}

function soakMarkdown(legs: readonly Leg[], generator: Generator): string {
  const rows = legs.map(({ requests, rssBytes }) => [
    formatCount(requests),
    formatCount(Math.round(rssBytes / 1e6)),
  ]);
  return `Memory of one serving process under load (${generator.name}, ${CONNECTIONS} connections; blobs of 4 KiB and ranges of 64 KiB in turns)\n\n${formatTable(['requests', 'RSS MB'], rows)}`;
}
