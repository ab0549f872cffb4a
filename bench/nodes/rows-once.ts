import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { collectGarbage } from '../../storage/gc/collect.ts';
import { fillCatalog, syntheticStore } from './rows-material.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** A process of its own for one step, so that its peak of memory is that step's: `STEP CATALOG CHUNKS`. */
const [step, path = '', count] = process.argv.slice(2);
const chunks = Number(count);
const nowMs = Date.now();
/** All that is written is a day old. */
const clock = step === 'fill' ? () => nowMs - DAY_MS : () => nowMs;
const objects = syntheticStore(step === 'fill' ? 0 : chunks, nowMs - DAY_MS);
const catalog = await openSqliteCatalog(path, clock);
const rssBefore = process.memoryUsage.rss();
const cpuBefore = process.cpuUsage();
const begun = performance.now();
const found = await run();
const ms = performance.now() - begun;
const cpu = process.cpuUsage(cpuBefore);
await catalog.close();
const heldBytes = Math.max(0, process.resourceUsage().maxRSS * 1024 - rssBefore);
process.stdout.write(
  `${JSON.stringify({ ms, cpuMs: (cpu.user + cpu.system) / 1000, heldBytes, ...found })}\n`,
);

async function run(): Promise<Readonly<Record<string, number>>> {
  if (step === 'fill') {
    await fillCatalog(catalog, chunks);
    return {};
  }
  if (step === 'fsck') {
    const { rows, faults } = await checkStore({ objects, catalog, quick: true });
    return { rows, faults: faults.length };
  }
  const options = { objects, catalog, clock, graceMs: HOUR_MS, dryRun: false };
  const { removedBlobs, keptBlobs } = await collectGarbage(options);
  return { removedBlobs, keptBlobs };
}
