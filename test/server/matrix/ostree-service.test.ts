import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { scratchFolder } from '../../../server/open-store.ts';
import type { OstreeDeltaRow } from '../../../storage/catalog/ostree-delta-catalog.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { incomingCommit } from '../../delta/ostree/matrix/stored-world.ts';
import { MemoryRepo, type Tree } from '../../delta/ostree/static-delta/memory-repo.ts';
import { noise } from '../../storage/chunk/material.ts';
import { openMatrixFixture, REPO, until, type MatrixFixture } from './matrix-fixture.ts';

const MAIN = parseOstreeRef('os/main');
/** Enough for a build to be caught half-way. */
const LARGE = 8_000_000;

let fixture: MatrixFixture;
let repo: MemoryRepo;
const children: ChildProcess[] = [];

beforeEach(async () => {
  fixture = await openMatrixFixture();
  repo = new MemoryRepo();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await fixture.close();
});

async function push(version: string, bytes = 200_000): Promise<void> {
  const app = Buffer.from(noise(bytes, 'app'));
  noise(1000, version).copy(app, bytes >> 1);
  const tree: Tree = { '/usr/bin/app': { content: app, mode: 0o100_755 } };
  const commit = repo.commit(tree);
  const { blobs, catalog } = fixture.store;
  const scratch = scratchFolder(fixture.config().data);
  await writeObjects(incomingCommit(repo, commit), { blobs, catalog, repo: REPO, scratch });
  await catalog.ostree.moveRef(REPO, MAIN, parseOstreeChecksum(commit.checksum), 'any');
}

async function rows(): Promise<readonly OstreeDeltaRow[]> {
  return fixture.store.catalog.ostreeDeltas.list({ repo: REPO, limit: 100 });
}

/** Waits until as many deltas are published. */
function published(count: number): Promise<readonly OstreeDeltaRow[]> {
  return until(async () => {
    const found = (await rows()).filter(({ state }) => state === 'published');
    return found.length === count ? found : undefined;
  });
}

it('builders publish what a moved ref wants, and retire what it no longer wants', async () => {
  await push('1');
  const matrix = fixture.start({ releases: 1 });
  await published(1);
  await push('2');
  await matrix.planRef(REPO, MAIN);
  expect((await rows()).map(({ from }) => from === undefined)).toEqual([true, false, true]);
  await published(3);
  matrix.poke();
  await until(async () => ((await rows())[0]?.state === 'retired' ? true : undefined));
  // A builder's report comes after its row.
  await until(async () => {
    const text = await fixture.metrics.registry.metrics();
    return /rivulet_delta_builds_total\{result="published",kind="ostree"\} 3/.exec(text)?.[0];
  });
});

it('a builder that is killed in mid-build leaves the row to others', async () => {
  await push('1', LARGE);
  const child = await startBuilderProcess();
  await until(async () => (await rows()).find(({ state }) => state === 'building'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(['building', 'proving']).toContain((await rows())[0]?.state);
  fixture.start();
  const [row] = await published(1);
  expect(row?.attempts).toBeGreaterThan(1);
});

/** Another process that builds over the same store, with short leases. */
async function startBuilderProcess(): Promise<ChildProcess> {
  const dist = new URL('../../../dist/server/', import.meta.url);
  const config = fixture.config({ leaseMs: 1500 });
  const program = `
    import { openStore } from ${JSON.stringify(new URL('open-store.js', dist).href)};
    import { startMatrix } from ${JSON.stringify(new URL('matrix/matrix-service.js', dist).href)};
    import { createLogger } from ${JSON.stringify(new URL('observe/logger.js', dist).href)};
    import { createMetrics } from ${JSON.stringify(new URL('observe/metrics.js', dist).href)};
    const config = ${JSON.stringify(config)};
    const { blobs, catalog } = await openStore(config);
    const logger = createLogger('silent');
    startMatrix({ config, blobs, catalog, logger, metrics: createMetrics(), clock: Date.now });
  `;
  const entry = join(config.data, 'builder.mjs');
  await writeFile(entry, program);
  const child = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}
