import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseDecision } from '../../../delta/agent/decision.ts';
import { DeviceError } from '../../../delta/agent/errors.ts';
import { parseRelease, parseSourceManifest } from '../../../delta/agent/image.ts';
import { JsonReader } from '../../../delta/agent/json.ts';
import { digestOf } from '../../../storage/digest.ts';
import { runAgent } from './agent-process.ts';

const DIGEST = digestOf(Buffer.from('x'));

function decision(change: object): JsonReader {
  const value = {
    id: 'd-1',
    product: 'demo/app',
    channel: 'latest',
    platform: 'linux/amd64',
    target: { digest: DIGEST, size: 1, releaseCounter: 1 },
    plans: [{ kind: 'full', digest: DIGEST, size: 1, ramBytes: 1 }],
    blobs: ['http://h/v1/blobs/'],
    expiresMs: 1,
    ...change,
  };
  return new JsonReader(value, 'answer', 'bad_answer');
}

describe('a decision', () => {
  it('is refused with a code for anything out of shape', () => {
    expect(parseDecision(decision({})).plans).toHaveLength(1);
    const bad = [
      { id: '../../etc' },
      { id: 'x'.repeat(200) },
      { target: { digest: 'sha256:abc', size: 1, releaseCounter: 1 } },
      { target: { digest: DIGEST, size: -1, releaseCounter: 1 } },
      { target: { digest: DIGEST, size: 1e300, releaseCounter: 1 } },
      { plans: Array.from({ length: 9 }, () => ({})) },
      { plans: [{ kind: 'chunks', digest: DIGEST, size: 1, ramBytes: 1, layers: 'x' }] },
      { plans: 'full' },
      { blobs: ['file:///etc/v1/blobs/'] },
      { blobs: ['http://h/other/'] },
      { expiresMs: 'soon' },
    ];
    for (const change of bad) {
      expect(() => parseDecision(decision(change)), JSON.stringify(change)).toThrow(DeviceError);
    }
  });

  it('never throws anything but a coded error', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (a, b) => {
        for (const change of [
          { plans: [a], target: b },
          { plans: a, blobs: b },
          { id: a, from: b },
        ]) {
          try {
            parseDecision(decision(change));
          } catch (error) {
            expect(error).toBeInstanceOf(DeviceError);
          }
        }
      }),
    );
  });
});

describe('an image', () => {
  const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: DIGEST, size: 1 };

  it('is refused when manifest and config do not fit', () => {
    const config = bytes({ os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [] } });
    const manifestBytes = bytes({
      schemaVersion: 2,
      config: { ...layer, digest: digestOf(config) },
      layers: [layer],
    });
    const manifest = parseSourceManifest(manifestBytes, digestOf(manifestBytes));
    expect(() => parseSourceManifest(manifestBytes, DIGEST)).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    );
    expect(() => parseRelease(manifest, config)).toThrow('names 0 layers, its manifest 1');
    expect(() => parseRelease(manifest, Buffer.from('{}'))).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    );
    const index = bytes({ mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] });
    expect(() => parseSourceManifest(index, digestOf(index))).toThrow('not an image manifest');
  });
});

describe('a server', () => {
  let server: Server;
  let data: string;
  let answer: { status: number; body: string };

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'rivulet-agent-hostile-'));
    server = createServer((req, res) => {
      req.resume();
      res.writeHead(answer.status, { 'content-type': 'application/problem+json' }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(data, { recursive: true });
  });

  it('that answers nonsense or no gets a coded error, one line, the right exit code', async () => {
    const cases = [
      { status: 200, body: 'hello', code: 3, word: '[bad_answer]' },
      { status: 200, body: '[]', code: 3, word: '[bad_answer]' },
      { status: 400, body: '{"detail":"no such product"}', code: 1, word: 'no such product' },
      { status: 500, body: '', code: 1, word: '[unreachable]' },
    ];
    const { port } = server.address() as AddressInfo;
    for (const { status, body, code, word } of cases) {
      answer = { status, body };
      const url = `http://127.0.0.1:${port}`;
      const run = await runAgent(['update', '--data', data, '--server', url, '--product', 'a']);
      expect(run.code).toBe(code);
      expect(run.stderr).toContain(word);
      expect(run.stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});
