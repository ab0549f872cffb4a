import { formatCount, formatTable } from '../table.ts';
import type { OursResult } from './ours.ts';
import type { PeerResult } from './peers.ts';
import type { SweepResult } from './sweep.ts';

export interface StoreResults {
  readonly plainBytes: number;
  readonly treeBytes: number;
  readonly ours: OursResult;
  readonly peers: readonly PeerResult[];
  readonly sweep: readonly SweepResult[];
}

export function storeMarkdown(conditions: readonly string[], results: StoreResults): string {
  const { ours, plainBytes, treeBytes, peers, sweep } = results;
  const chunks = ours.packBytes + ours.indexBytes + ours.catalogBytes;
  const rows: (readonly [string, number | undefined])[] = [
    ['unpacked trees, each file of each image', treeBytes],
    ['plain files: layers as pushed (gzip), each once', plainBytes],
    ['ours: packs, indexes and catalog', chunks],
    ['ours: the same and zstd:chunked forms', chunks + ours.formBytes],
    ['ours: all, and the layers as pushed', chunks + ours.formBytes + ours.pushedBytes],
    ...peers.map(({ name, bytes }) => [name, bytes] as const),
  ];
  const rate = (seconds: number): string => (ours.rawBytes / 1e6 / seconds).toFixed(1);
  return [
    '# The store',
    conditions.map((line) => `- ${line}`).join('\n'),
    '## Bytes at rest',
    formatTable(
      ['', 'bytes', 'by plain files'],
      rows.map(([name, bytes]) =>
        bytes === undefined
          ? [name, 'not installed', '']
          : [name, formatCount(bytes), `${(bytes / plainBytes).toFixed(3)}x`],
      ),
    ),
    `Of ours: packs ${formatCount(ours.packBytes)}, indexes ${formatCount(ours.indexBytes)}, catalog ${formatCount(ours.catalogBytes)}, forms ${formatCount(ours.formBytes)}.`,
    '## Ingest',
    `${rate(ours.chunkSeconds)} MB/s of tar per core for chunking (opened, cut, named, looked up, compressed, stored, named in the catalog), ${rate(ours.formSeconds)} MB/s per core for zstd:chunked forms; processor seconds of all threads, ${formatCount(ours.rawBytes)} bytes of tar.`,
    '## Chunk sizes',
    formatTable(
      ['min/average/max KiB', 'first image', 'added by the others', 'index bytes', 'rows'],
      sweep.map(({ sizes, firstBytes, addedBytes, chunks: count, rows: stored }) => [
        [sizes.min, sizes.average, sizes.max].map((bytes) => bytes / 1024).join('/'),
        formatCount(firstBytes),
        formatCount(addedBytes),
        formatCount(count * 38),
        formatCount(stored),
      ]),
    ),
    "A first install is the first column; a device reads its layers' share of the index bytes, and the catalog has the rows. storage/LAYOUT.md says why the store cuts at 16/64/256.",
  ].join('\n\n');
}
