import { parseArgs } from 'node:util';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { rivuletPeer } from '../serve/peers/rivulet.ts';
import { processUse } from '../serve/process-use.ts';
import { formatCount, formatTable } from '../table.ts';
import { sendMix } from './mix.ts';
import { pushTargets } from './targets.ts';

const REQUESTS = 1_000_000;
/** Lines of the report. */
const LEGS = 10;

interface Leg {
  readonly requests: number;
  readonly rssBytes: number;
}

/**
 * `npm run bench -- soak`: the memory of one serving process over a million requests of every kind
 * that a server meets. The same mix runs short in test/faults/http-soak.test.ts.
 */
export async function benchSoak(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { requests: { type: 'string' } } });
  const wanted = Number(values.requests ?? REQUESTS);
  if (!Number.isInteger(wanted) || wanted < LEGS) throw new Error(`--requests is at least ${LEGS}`);
  const { path: dir, remove } = await makeScratch('soak');
  try {
    const legs = await soak(dir, wanted);
    await writeReport('soak', soakMarkdown(legs), { legs }, { args });
  } finally {
    await remove();
  }
}

async function soak(dir: string, wanted: number): Promise<readonly Leg[]> {
  const server = await rivuletPeer().start({ dir, content: dir, workers: 1 });
  try {
    const targets = await pushTargets(server.url);
    const legs: Leg[] = [{ requests: 0, rssBytes: (await processUse(server.pid)).rssBytes }];
    for (let leg = 1; leg <= LEGS; leg += 1) {
      await sendMix(targets, Math.ceil(wanted / LEGS));
      const { rssBytes } = await processUse(server.pid);
      legs.push({ requests: leg * Math.ceil(wanted / LEGS), rssBytes });
    }
    return legs;
  } finally {
    await server.stop();
  }
}

function soakMarkdown(legs: readonly Leg[]): string {
  const rows = legs.map(({ requests, rssBytes }) => [
    formatCount(requests),
    formatCount(Math.round(rssBytes / 1e6)),
  ]);
  return `Memory of one serving process: whole blobs, ranges, HEAD, 304, 404, 416, manifests, downloads left half-way\n\n${formatTable(['requests', 'RSS MB'], rows)}`;
}
