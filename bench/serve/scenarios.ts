import type { Digest } from '../../storage/digest.ts';
import type { BenchBlob, Content } from './content.ts';
import type { GeneratorName } from './generators.ts';
import type { PlannedGet } from './load/load.ts';
import type { Scale } from './options.ts';
import { nginxPartsPath } from './peers/nginx.ts';
import type { PeerName } from './peers/peer.ts';
import { registryBlobPath } from './peers/registry.ts';

/** A server under a scenario's load. */
export interface Entry {
  readonly title: string;
  readonly peer: PeerName;
  readonly workers: number;
  readonly goMaxProcs?: number;
  /** Where blobs are asked for, when not where the server's clients do. */
  readonly blobPath?: (digest: Digest) => string;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly generator: GeneratorName;
  readonly tls: boolean;
  readonly connections: number;
  readonly blobs: (content: Content) => readonly BenchBlob[];
  /** Byte ranges instead of whole blobs. */
  readonly range?: RangePlan;
  /** The first is what the others are compared with. */
  readonly entries: readonly Entry[];
}

export interface RangePlan {
  readonly bytes: number;
  /** Different places in the blob. */
  readonly places: number;
}

const RIVULET: Entry = { title: 'rivulet', peer: 'rivulet', workers: 1 };
const NGINX: Entry = { title: 'nginx', peer: 'nginx', workers: 1 };
const RIVULET_V2: Entry = { ...RIVULET, title: 'rivulet /v2', blobPath: registryBlobPath };
const REGISTRIES: readonly Entry[] = [
  { title: 'zot', peer: 'zot', workers: 1 },
  { title: 'distribution', peer: 'distribution', workers: 1 },
];
const REGISTRIES_ON_ONE: readonly Entry[] = REGISTRIES.map((entry) => ({
  ...entry,
  title: `${entry.title}, GOMAXPROCS=1`,
  goMaxProcs: 1,
}));
const NGINX_PARTS: Entry = { ...NGINX, blobPath: nginxPartsPath };
const ALL = [RIVULET, RIVULET_V2, NGINX, ...REGISTRIES];

const LARGE_CONNECTIONS = 4;
const RANGE: RangePlan = { bytes: 64 * 1024, places: 500 };

/** What `npm run bench -- serve` measures, in the order of its report. */
export function makeScenarios(scale: Scale): Scenario[] {
  const { connections, manyConnections } = scale;
  const small = {
    generator: 'small',
    tls: false,
    connections,
    blobs: (content: Content) => content.small,
  } as const;
  const large = {
    generator: 'large',
    tls: false,
    connections: LARGE_CONNECTIONS,
    blobs: (content: Content) => content.large,
  } as const;
  const megabytes = `${scale.largeBytes / 1e6} MB`;
  return [
    { ...small, name: 'small', title: '4 KiB', entries: [...ALL, ...REGISTRIES_ON_ONE] },
    { ...small, name: 'small-tls', title: '4 KiB over TLS', tls: true, entries: ALL },
    {
      ...small,
      name: 'connections',
      title: `4 KiB, ${manyConnections} kept-alive connections`,
      connections: manyConnections,
      entries: ALL,
    },
    {
      ...small,
      name: 'many',
      title: `${scale.manyBlobs} blobs of 4 KiB at random`,
      blobs: (content) => content.many,
      entries: ALL,
    },
    {
      ...small,
      name: 'range',
      title: `64 KiB ranges of ${megabytes}`,
      blobs: (content) => content.large,
      range: RANGE,
      entries: [RIVULET, RIVULET_V2, NGINX_PARTS, ...REGISTRIES],
    },
    { ...large, name: 'large', title: megabytes, entries: ALL },
    { ...large, name: 'large-tls', title: `${megabytes} over TLS`, tls: true, entries: ALL },
    {
      ...small,
      name: 'workers',
      title: '4 KiB, one worker and two',
      entries: [
        { ...RIVULET, title: 'rivulet, 1 worker' },
        { ...RIVULET, title: 'rivulet, 2 workers', workers: 2 },
        { ...NGINX, title: 'nginx, 1 worker' },
        { ...NGINX, title: 'nginx, 2 workers', workers: 2 },
      ],
    },
    {
      ...small,
      name: 'autocannon',
      title: '4 KiB by autocannon',
      generator: 'autocannon',
      entries: [RIVULET, NGINX],
    },
  ];
}

/** What a scenario asks of a server. */
export function plannedGets(
  { range }: Scenario,
  blobs: readonly BenchBlob[],
  blobPath: (digest: Digest) => string,
): PlannedGet[] {
  return blobs.flatMap(({ digest, bytes }): PlannedGet[] => {
    const path = blobPath(digest);
    if (range === undefined) return [{ path, bytes }];
    const step = Math.floor((bytes - range.bytes) / range.places);
    return Array.from({ length: range.places }, (_, place) => ({
      path,
      range: `bytes=${place * step}-${place * step + range.bytes - 1}`,
      bytes: range.bytes,
    }));
  });
}
