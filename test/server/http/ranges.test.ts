import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startMinio, type MinioServer } from '../../clients/minio.ts';
import { needTool } from '../../clients/require.ts';
import { pushBlob, REPO, startWholeOrigin } from '../../faults/whole-origin.ts';
import { startTestCache, tempFolder } from '../cache/tools.ts';
import { startRegistry } from '../oci/rig.ts';
import { seededBytes } from '../seeded-bytes.ts';
import { anySpec, askPlainly, expectRanges } from './expected-ranges.ts';

interface Subject {
  readonly url: string;
  close(): Promise<void>;
}

const minioPath = needTool('minio');

async function startOnS3(): Promise<Subject> {
  const minio: MinioServer = await startMinio(minioPath ?? '');
  const { endpoint, accessKey, secretKey } = minio;
  const bucket = await minio.makeBucket();
  const store = { kind: 's3', endpoint, bucket, accessKey, secretKey };
  const origin = await startWholeOrigin({ store });
  return {
    url: origin.url,
    async close() {
      await origin.close();
      await minio.stop();
    },
  };
}

/** Where blobs can be read from, both routes or the registry's alone. */
const SUBJECTS: readonly (readonly [string, () => Promise<Subject>, readonly string[]])[] = [
  ['an origin on fs', () => startWholeOrigin(), ['/v1', `/v2/${REPO}`]],
  ['a registry in memory', () => startRegistry('memory'), [`/v2/${REPO}`]],
  ['an origin on S3', startOnS3, ['/v1', `/v2/${REPO}`]],
];

const subjects = SUBJECTS.filter(([name]) => minioPath !== undefined || !name.endsWith('S3'));

describe.each(subjects)('ranges of %s', (_name, start, bases) => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await start();
  });
  afterAll(() => subject.close());

  const sized = fc.oneof(
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 10 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 5000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 5000, max: 600_000 }) },
  );
  const asked = sized.chain((size) =>
    fc.tuple(fc.constant(size), fc.array(anySpec(size), { minLength: 1, maxLength: 24 })),
  );

  it.each(bases)('are the slices asked for, through %s', async (base) => {
    await fc.assert(
      fc.asyncProperty(asked, async ([size, specs]) => {
        const content = seededBytes(`ranges ${size}`, size);
        const digest = await pushBlob(subject.url, content);
        await expectRanges(`${subject.url}${base}/blobs/${digest}`, content, specs);
      }),
      { numRuns: 60 },
    );
  });

  it.each(bases)(
    'may be 1,024 in any order, and a head of nearly 64 KiB, through %s',
    async (base) => {
      const content = seededBytes('many', 3_000_000);
      const digest = await pushBlob(subject.url, content);
      const url = `${subject.url}${base}/blobs/${digest}`;
      const at = (n: number): number => (n * 7919) % 2_900_000;
      const scattered = Array.from({ length: 1024 }, (_, n) => `${at(n)}-${at(n) + n}` as const);
      await expectRanges(url, content, scattered);
      const near = Array.from({ length: 1024 }, (_, n) => `${n * 60}-${n * 60 + 90}` as const);
      await expectRanges(url, content, near);
      const padded = near.map((spec) => spec.replace(/\d+/g, (digits) => digits.padStart(29, '0')));
      expect(padded.join(', ').length).toBeGreaterThan(62_000);
      await expectRanges(url, content, padded as typeof near);
      const tooMany = [...near, '1-1'].join(',');
      const refused = await askPlainly(url, 'GET', { range: `bytes=${tooMany}` });
      expect(refused.status).toBe(400);
      expect(refused.body.toString()).toMatch(/more than 1024 ranges: ask for fewer at a time/);
    },
  );

  it.each(bases)('hold under If-Range for the strong ETag alone, through %s', async (base) => {
    const content = seededBytes('if-range', 5000);
    const digest = await pushBlob(subject.url, content);
    const url = `${subject.url}${base}/blobs/${digest}`;
    for (const [ifRange, status] of [
      [`"${digest}"`, 206],
      [`W/"${digest}"`, 200],
      ['"sha256:other"', 200],
      [digest, 200],
      ['*', 200],
      [`"${digest}", "b"`, 200],
      [new Date(Date.now() + 60_000).toUTCString(), 200],
    ] as const) {
      for (const range of ['bytes=5-9', 'bytes=5-9,20-29', 'bytes=9000-']) {
        const answer = await askPlainly(url, 'GET', { range, 'if-range': ifRange });
        const expected = status === 206 && range === 'bytes=9000-' ? 416 : status;
        expect([ifRange, range, answer.status]).toEqual([ifRange, range, expected]);
        if (status === 200) expect(answer.body.equals(content)).toBe(true);
      }
    }
  });

  it.each(bases)(
    'are for GET alone: HEAD is a GET of the whole without its body, %s',
    async (base) => {
      for (const size of [0, 1, 4096, 100_000]) {
        const content = seededBytes(`head ${size}`, size);
        const digest = await pushBlob(subject.url, content);
        const url = `${subject.url}${base}/blobs/${digest}`;
        const comparable = async (method: 'GET' | 'HEAD', headers: Record<string, string>) => {
          const { status, headers: got, body } = await askPlainly(url, method, headers);
          expect(body.length).toBe(method === 'GET' ? size : 0);
          expect(got['x-request-id']).toBeDefined();
          return { status, headers: { ...got, date: '', 'x-request-id': '' } };
        };
        const whole = await comparable('GET', {});
        await comparable('GET', {});
        expect(whole.headers).toMatchObject({
          'content-length': String(size),
          'accept-ranges': 'bytes',
        });
        for (const range of [
          undefined,
          'bytes=0-0',
          'bytes=0-0,2-3',
          `bytes=${size}-`,
          'bytes=x',
        ]) {
          const head = await comparable('HEAD', range === undefined ? {} : { range });
          expect([range, head]).toEqual([range, whole]);
        }
      }
    },
  );
});

describe('ranges at a regional cache', () => {
  it.each(['cold', 'half filled', 'warm'])(
    'are the slices asked for of a %s blob',
    async (state) => {
      const origin = await startWholeOrigin();
      const cache = await startTestCache(origin.url, { data: await tempFolder() });
      let blobs = 0;
      const asked = fc
        .integer({ min: 1, max: 900_000 })
        .chain((size) =>
          fc.tuple(fc.constant(size), fc.array(anySpec(size), { minLength: 1, maxLength: 12 })),
        );
      const property = fc.asyncProperty(asked, async ([size, specs]) => {
        // Another blob each time: the last one is no longer cold.
        blobs += 1;
        const content = seededBytes(`cache ${blobs}`, size);
        const digest = await pushBlob(origin.url, content);
        const url = `${cache.url}/v1/blobs/${digest}`;
        const middle = Math.floor(size / 2);
        if (state === 'half filled') await expectRanges(url, content, [`${middle}-`]);
        if (state === 'warm') await expectRanges(url, content, ['0-']);
        await expectRanges(url, content, specs);
        await expectRanges(`${cache.url}/v2/${REPO}/blobs/${digest}`, content, specs);
      });
      await fc.assert(property, { numRuns: 25 });
      await cache.close();
      await origin.close();
    },
  );
});
