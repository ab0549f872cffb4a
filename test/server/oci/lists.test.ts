import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../../storage/digest.ts';
import {
  Client,
  describeBlob,
  locationOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
  refusal,
  startRegistry,
  type RunningRegistry,
} from './rig.ts';

interface Listed {
  readonly name: string;
  readonly tags: readonly string[];
}

let registry: RunningRegistry;

beforeAll(async () => {
  registry = await startRegistry('memory');
});
afterAll(() => registry.close());

async function list(client: Client, query = ''): Promise<[readonly string[], string | null]> {
  const response = await client.get(`tags/list${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json');
  return [((await response.json()) as Listed).tags, response.headers.get('link')];
}

describe('tags', () => {
  let client: Client;

  beforeAll(async () => {
    client = new Client(registry.url, 'tagged');
    const image = await client.makeImage('tagged');
    for (const tag of ['b', 'a', 'C', '1.0', 'a-1', '_x']) await client.putManifest(tag, image);
  });

  it('lists in ASCII order', async () => {
    expect(await list(client)).toEqual([['1.0', 'C', '_x', 'a', 'a-1', 'b'], null]);
  });

  it('pages with n and an exclusive last, and leads on by Link', async () => {
    expect(await list(client, '?n=2')).toEqual([
      ['1.0', 'C'],
      '</v2/tagged/tags/list?n=2&last=C>; rel="next"',
    ]);
    expect(await list(client, '?n=6')).toEqual([['1.0', 'C', '_x', 'a', 'a-1', 'b'], null]);
    expect(await list(client, '?last=a')).toEqual([['a-1', 'b'], null]);
    expect(await list(client, '?last=zzz')).toEqual([[], null]);
    expect(await list(client, '?n=0')).toEqual([[], null]);
    expect((await list(client, '?n=1&last=absent'))[0]).toEqual(['b']);
    const all: string[] = [];
    let next: string | undefined = '/v2/tagged/tags/list?n=4';
    while (next !== undefined) {
      const response: Response = await client.get(next);
      all.push(...((await response.json()) as Listed).tags);
      next = /<(.*)>/.exec(response.headers.get('link') ?? '')?.[1];
    }
    expect(all).toEqual(['1.0', 'C', '_x', 'a', 'a-1', 'b']);
  });

  it('refuses an n that is no number, and a repository that is not there', async () => {
    for (const n of ['x', '-1', '1e3', '', '99999999999']) {
      expect((await client.get(`tags/list?n=${n}`)).status).toBe(400);
    }
    const unknown = await new Client(registry.url, 'no/such').get('tags/list');
    expect(await refusal(unknown)).toBe('404 NAME_UNKNOWN');
  });
});

describe('repositories', () => {
  it('lists them in pages', async () => {
    for (const name of ['cat/b', 'cat/a']) {
      await new Client(registry.url, name).pushBlob(Buffer.from(name));
    }
    const client = new Client(registry.url, 'unused');
    const response = await client.get('/v2/_catalog?n=1&last=cat');
    expect(await response.json()).toEqual({ repositories: ['cat/a'] });
    expect(response.headers.get('link')).toBe('</v2/_catalog?n=1&last=cat%2Fa>; rel="next"');
  });
});

describe('referrers', () => {
  const subject = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }));
  const name: Digest = digestOf(subject);
  let client: Client;

  beforeAll(() => {
    client = new Client(registry.url, 'referred');
  });

  async function referrers(query = '') {
    const response = await client.get(`referrers/${name}${query}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(OCI_INDEX);
    const body = (await response.json()) as { manifests: Record<string, unknown>[] };
    expect(body).toMatchObject({ schemaVersion: 2, mediaType: OCI_INDEX });
    return { manifests: body.manifests, headers: response.headers };
  }

  it('is an empty index for what nobody refers to, never 404', async () => {
    expect((await referrers()).manifests).toEqual([]);
    for (const digest of ['sha256:bad', 'tag']) {
      expect(await refusal(await client.get(`referrers/${digest}`))).toBe('400 DIGEST_INVALID');
    }
  });

  it('lists images and indexes, before their subject is there and after they are deleted', async () => {
    const to = describeBlob(OCI_INDEX, subject);
    const annotations = { 'org.example.key': 'value' };
    const plain = await client.makeImage('plain', { subject: to, annotations });
    const typed = await client.makeImage('typed', {
      subject: to,
      artifactType: 'application/vnd.example.sbom.v1+json',
    });
    const index = { schemaVersion: 2, manifests: [], subject: to };
    const documents = [
      [plain, OCI_MANIFEST],
      [typed, OCI_MANIFEST],
      [index, OCI_INDEX],
    ] as const;
    for (const [document, type] of documents) {
      const bytes = Buffer.from(JSON.stringify(document));
      const put = await client.putManifest(digestOf(bytes), bytes, type);
      expect([put.status, put.headers.get('oci-subject')]).toEqual([201, name]);
    }
    const described = documents.map(([document, type]) =>
      describeBlob(type, JSON.stringify(document)),
    );
    const expected = [
      { ...described[0], artifactType: OCI_CONFIG, annotations },
      { ...described[1], artifactType: 'application/vnd.example.sbom.v1+json' },
      described[2],
    ];
    const all = await referrers();
    expect(all.manifests).toHaveLength(3);
    expect(all.manifests).toEqual(expect.arrayContaining(expected));
    expect(all.headers.get('oci-filters-applied')).toBeNull();

    for (const type of [
      'application/vnd.example.sbom.v1%2Bjson',
      'application/vnd.example.sbom.v1+json',
    ]) {
      const filtered = await referrers(`?artifactType=${type}`);
      expect(filtered.manifests).toEqual([expected[1]]);
      expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType');
    }
    expect((await referrers('?artifactType=application/none')).manifests).toEqual([]);

    await client.send('DELETE', `manifests/${String(described[1]?.digest)}`);
    expect((await referrers()).manifests).toHaveLength(2);
  });

  it('pages a list that is larger than a manifest may be', async () => {
    const big = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], n: 1 }));
    const subjectDigest = digestOf(big);
    for (let i = 0; i < 3; i += 1) {
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          manifests: [],
          subject: describeBlob(OCI_INDEX, big),
          artifactType: 'application/vnd.big+json',
          annotations: { i: String(i), pad: 'x'.repeat(1_900_000) },
        }),
      );
      locationOf(await client.putManifest(digestOf(bytes), bytes, OCI_INDEX));
    }
    const seen: unknown[] = [];
    let pages = 0;
    let next: string | undefined =
      `/v2/referred/referrers/${subjectDigest}?artifactType=application/vnd.big%2Bjson`;
    while (next !== undefined) {
      const response: Response = await client.get(next);
      const text = await response.text();
      expect(text.length).toBeLessThan(4 * 1024 * 1024);
      const page = JSON.parse(text) as { manifests: { annotations: { i: string } }[] };
      seen.push(...page.manifests.map(({ annotations }) => annotations.i));
      next = /<(.*)>/.exec(response.headers.get('link') ?? '')?.[1];
      pages += 1;
    }
    expect(pages).toBe(2);
    expect(seen.sort()).toEqual(['0', '1', '2']);
  });
});
