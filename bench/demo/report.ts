import { compressFrame } from '../../storage/zstd.ts';
import { formatCount, formatTable } from '../table.ts';
import type { WrittenImage } from './release.ts';
import type { CacheStatus, PublishedDelta } from './server-facts.ts';
import type { Narrator } from './speak.ts';

/** How one device's last update went. */
export interface UpdateResult {
  readonly plan: string;
  readonly bytes: number;
  readonly applyMs: number;
  readonly resumedAt?: number | undefined;
}

export interface PlatformReport {
  readonly platform: string;
  readonly image: WrittenImage;
  readonly delta: PublishedDelta;
  readonly result: UpdateResult;
}

const HEAD = [
  'platform',
  'gzip layers, bytes',
  'zstd -19 layers, bytes',
  'delta, bytes',
  'delta / gzip',
  'delta / zstd',
  'build s',
  'apply s',
];

/** Prints what each update cost, and what left the origin against what the region served. */
export async function printReport(
  out: Narrator,
  reports: readonly PlatformReport[],
  cache: CacheStatus,
): Promise<void> {
  out.step('What it cost');
  const zstd = new Map<string, Promise<Buffer>>();
  const rows: string[][] = [];
  for (const { platform, image, delta, result } of reports) {
    const gzipBytes = sum(image.layers.map(({ size }) => size));
    const zstdBytes = sum(await zstdSizes(image, zstd));
    rows.push([
      platform,
      formatCount(gzipBytes),
      formatCount(zstdBytes),
      formatCount(delta.size),
      (delta.size / gzipBytes).toFixed(4),
      (delta.size / zstdBytes).toFixed(4),
      (delta.buildMs / 1000).toFixed(1),
      (result.applyMs / 1000).toFixed(1),
    ]);
  }
  out.print(formatTable(HEAD, rows));
  const share = (cache.egressBytes / cache.servedBytes).toFixed(2);
  out.say(
    `the origin sent ${formatCount(cache.egressBytes)} bytes to the region, the region served ${formatCount(cache.servedBytes)} (${share}x)`,
  );
}

/** Sizes of the image's layers at zstd -19; a layer that platforms share is compressed once. */
async function zstdSizes(
  image: WrittenImage,
  known: Map<string, Promise<Buffer>>,
): Promise<number[]> {
  const coded = image.layers.map(({ diffId, tar }) => {
    const before = known.get(diffId);
    if (before !== undefined) return before;
    const made = compressFrame(tar, 19);
    known.set(diffId, made);
    return made;
  });
  return (await Promise.all(coded)).map(({ length }) => length);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
