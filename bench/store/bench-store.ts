import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { writeRelease } from '../demo/release.ts';
import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { formatCount } from '../table.ts';
import { loadCorpus, type CorpusImage } from './corpus.ts';
import { measureOurs, type PushedLayer } from './ours.ts';
import { parseStoreOptions } from './options.ts';
import { measurePeers } from './peers.ts';
import { storeMarkdown } from './report.ts';
import { measureSizes, SWEEP, type SweepResult } from './sweep.ts';

/**
 * `npm run bench -- store`: what ten versions of an application for three architectures take at rest, here
 * and elsewhere, what chunking costs, and what other chunk sizes would do.
 */
export async function benchStore(args: readonly string[]): Promise<void> {
  const options = parseStoreOptions(args);
  const images = await loadCorpus(join(process.cwd(), '.bench', 'packages'), options.versions);
  const { path: dir, remove } = await makeScratch('bench-store');
  try {
    const { layers, layouts } = await writeImages(dir, images);
    process.stderr.write(`${layers.size} layers\n`);
    const ours = await measureOurs(dir, [...layers.values()]);
    process.stderr.write('peers\n');
    const peers = await measurePeers(dir, images, layouts);
    process.stderr.write('chunk sizes\n');
    const sweep: SweepResult[] = [];
    const tars = [...new Set(images.flatMap(({ base, app }) => [base, app]))];
    for (const sizes of SWEEP) sweep.push(await measureSizes(sizes, tars));
    const plainBytes = [...layers.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    const treeBytes = images.reduce((sum, { base, app }) => sum + base.length + app.length, 0);
    const results = { plainBytes, treeBytes, ours, peers, sweep };
    const corpus = digestOf(Buffer.from(tars.map((tar) => digestOf(tar)).join('\n')));
    const conditions = [
      ...(options.quick ? ['A quick run: it shows that everything runs.'] : []),
      `${options.versions} versions of esbuild and rollup with their native programs, for three architectures, as images of one base layer (date-fns 4.1.0) and one of the application: ${images.length} images, ${formatCount(tars.reduce((sum, tar) => sum + tar.length, 0))} bytes of tar, each layer once (${corpus}).`,
      peers.map(({ name, version }) => `${name}: ${version}`).join('; '),
    ];
    const name = options.quick ? 'store-quick' : 'store';
    await writeReport(
      name,
      storeMarkdown(conditions, results),
      { conditions, ...results },
      {
        args,
        json: options.json,
      },
    );
  } finally {
    await remove();
  }
}

/** Writes each version as a release; its layers as pushed, each once, in the order of their first push. */
async function writeImages(dir: string, images: readonly CorpusImage[]) {
  const layers = new Map<Digest, PushedLayer>();
  const layouts: string[] = [];
  for (const version of new Set(images.map((image) => image.version))) {
    const layout = join(dir, `v${version}`);
    const release = images
      .filter((image) => image.version === version)
      .map(({ architecture, base, app }) => ({
        platform: { os: 'linux', architecture },
        layers: [
          { what: 'base', tar: base },
          { what: 'app', tar: app },
        ],
      }));
    for (const { layers: written } of await writeRelease(layout, `v${version}`, release)) {
      for (const { digest, tar } of written) {
        if (layers.has(digest)) continue;
        const bytes = await readFile(join(layout, 'blobs/sha256', digest.slice('sha256:'.length)));
        layers.set(digest, { digest, bytes, rawSize: tar.length });
      }
    }
    layouts.push(layout);
  }
  return { layers, layouts };
}
