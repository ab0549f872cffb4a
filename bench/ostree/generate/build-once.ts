import { readFileSync, writeFileSync } from 'node:fs';
import { argv, pid } from 'node:process';

import { makeStaticDelta } from '../../../delta/ostree/matrix/make-static-delta.ts';
import { withScratch } from '../../../delta/scratch.ts';
import { openStore, scratchFolder, type OpenedStore } from '../../../server/open-store.ts';
import type { OstreeDeltaPair } from '../../../storage/catalog/ostree-delta-catalog.ts';
import { parseRepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { BuildReport, BuildRequest } from './build-request.ts';
import type { Cost } from './generated.ts';

const LEASE_MS = 3_600_000;

/**
 * The program that `our-generator.ts` measures: what a builder of ours does with one static delta, out
 * of the store of an origin that does not run.
 */
async function main({ data, repo, ref, from, to, report }: BuildRequest): Promise<void> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    const pair = {
      repo: parseRepoName(repo),
      ref: parseOstreeRef(ref),
      from: from === undefined ? undefined : parseOstreeChecksum(from),
      to: parseOstreeChecksum(to),
    };
    writeFileSync(report, JSON.stringify(await build(store, pair, scratchFolder(data))));
  } finally {
    await store.close();
  }
}

async function build(
  { blobs, catalog }: OpenedStore,
  pair: OstreeDeltaPair,
  scratch: string,
): Promise<BuildReport> {
  const { ostree, ostreeDeltas } = catalog;
  await leaveOnly(catalog, pair);
  const claim = await ostreeDeltas.claim('bench', LEASE_MS);
  if (claim === undefined) throw new Error('the pair was not planned');
  const { delta, lease } = claim;
  let made: Cost | undefined;
  let isProving = false;
  const { result, files, refusal } = await withScratch(scratch, 'bench-', (folder) =>
    makeStaticDelta(
      {
        ...{ blobs, ostree, clock: Date.now },
        async keepFile(file) {
          await ostreeDeltas.keepFile(delta.id, lease, file);
          // The last part before the proof ends the making; the superblock is stored after it.
          if (!isProving) made = ownCost();
        },
        onProgress(phase) {
          isProving ||= phase === 'proving';
        },
      },
      delta,
      folder,
    ),
  );
  if (refusal !== undefined) throw new Error(`refused: ${refusal}`);
  await ostreeDeltas.publish(delta.id, lease, result, files);
  const { superblockBytes, partBytes, fallbackBytes, requests } = result;
  const partCount = files.length - 1;
  return {
    bytes: {
      superblock: superblockBytes,
      parts: partBytes,
      fallbacks: fallbackBytes,
      partCount,
      fallbackCount: requests - 1 - partCount,
    },
    made: made ?? ownCost(),
  };
}

/** Makes the pair the only one that waits to be built, as if it had never been built. */
async function leaveOnly(
  { ostreeDeltas }: OpenedStore['catalog'],
  pair: OstreeDeltaPair,
): Promise<void> {
  const rows = await ostreeDeltas.list({ repo: pair.repo, limit: 1000 });
  const isPair = ({ from, to }: (typeof rows)[number]): boolean =>
    from === pair.from && to === pair.to;
  await ostreeDeltas.retire(
    rows.filter((row) => isPair(row) || row.state !== 'published').map(({ id }) => id),
  );
  // Files of before now are not taken for kept.
  await ostreeDeltas.ensure([pair], Date.now() + LEASE_MS);
}

/** Of this process with all its threads, from its start on. */
function ownCost(): Cost {
  const { user, system } = process.cpuUsage();
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: performance.now() / 1000,
    peakBytes: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
  };
}

await main(JSON.parse(argv[2] ?? '') as BuildRequest);
