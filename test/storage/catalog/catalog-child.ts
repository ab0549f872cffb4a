import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';
import { pair } from '../../suites/catalog/pairs.ts';
import { manifest, named, REPO, STABLE } from '../../suites/catalog/names.ts';

/**
 * A process that works on a catalog: `claim <path> <owner> <pairs>` adds the same pairs as its
 * siblings and claims until nothing is left, a line for each claim; `write <path> <name>` links a blob
 * and moves a tag for ever, a line for each that was acknowledged.
 */
const [mode, path = '', name = '', count = '0'] = process.argv.slice(2);
const catalog = await openSqliteCatalog(path, Date.now);

function say(line: string | number): void {
  process.stdout.write(`${line}\n`);
}

async function claimAll(): Promise<void> {
  const pairs = Array.from({ length: Number(count) }, (_, n) => pair(`v${n}`, 'new'));
  const added = await catalog.deltas.ensure(pairs, 0);
  say(`added ${added}`);
  for (;;) {
    const claim = await catalog.deltas.claim(name, 600_000);
    if (claim === undefined) break;
    say(`claimed ${claim.delta.id}`);
    await catalog.deltas.fail(claim.delta.id, claim.lease, 'done', undefined);
  }
}

async function writeForEver(): Promise<never> {
  for (let n = 0; ; n += 1) {
    const layer = named(`${name} layer ${n}`);
    await catalog.repositories.linkBlob(REPO, layer, n);
    const children = [{ digest: layer, kind: 'layer' as const }];
    await catalog.repositories.putManifest(REPO, manifest(`${name} ${n}`), children, STABLE);
    say(n);
  }
}

if (mode === 'claim') await claimAll();
else await writeForEver();
await catalog.close();
