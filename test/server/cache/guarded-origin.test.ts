import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';

import { updateCommand, type CommandFlags } from '../../../delta/agent/commands.ts';
import { mintSecret, secretDigest } from '../../../server/auth/tokens.ts';
import { loadServerConfig } from '../../../server/config-load.ts';
import { digestOf } from '../../../storage/digest.ts';
import { openStore } from '../../../server/open-store.ts';
import { startOrigin } from '../../../server/origin.ts';
import { ask, noise, startTestCache, statusOf, tempFolder, until } from './tools.ts';

interface GuardedOrigin {
  readonly url: string;
  readonly secret: string;
  readonly digest: string;
}

/** A real origin that only one token may read, with one blob. */
async function startGuarded(grants: readonly string[]): Promise<GuardedOrigin> {
  const data = await tempFolder();
  const flags = { data, listen: '127.0.0.1:0', logLevel: 'silent', access: {} };
  const config = await loadServerConfig({ flags, env: {} });
  const secret = mintSecret();
  const store = await openStore(config);
  await store.catalog.tokens.create(secretDigest(secret), { name: 'region', grants });
  const bytes = noise(50_000);
  const digest = digestOf(bytes);
  await store.blobs.put(digest, [bytes], { size: bytes.length });
  await store.close();
  const origin = await startOrigin(config);
  onTestFinished(() => origin.close());
  return { url: origin.url, secret, digest };
}

describe('a cache of an origin that lets nobody in without a token', () => {
  it('reads with its token, and says what is wrong without', async () => {
    const { url: origin, secret, digest } = await startGuarded(['pull:**']);
    const known = await startTestCache(origin, { upstreamToken: secret, refreshMs: 100 });
    const got = await ask(`${known.url}/v1/blobs/${digest}`);
    expect({ status: got.status, size: got.body.length }).toEqual({ status: 200, size: 50_000 });
    await until(async () => (await statusOf(known.url))['ageSeconds'] !== null);
    const stranger = await startTestCache(origin, {});
    const refused = await ask(`${stranger.url}/v1/blobs/${digest}`);
    expect(refused.status).toBe(502);
  });
});

describe('a device of an origin that lets nobody in without a token', () => {
  async function update(data: string, flags: CommandFlags, env: NodeJS.ProcessEnv = {}) {
    let text = '';
    const stream = new Writable({
      write(part: Buffer, _encoding, done) {
        text += part.toString();
        done();
      },
    });
    const host = { stdout: stream, stderr: stream, env, signal: new AbortController().signal };
    const error = await updateCommand({ data, json: true, ...flags }, host).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    return { text, error };
  }

  it('checks with its token, remembers it for its owner only, and never prints it', async () => {
    const { url, secret } = await startGuarded(['pull:**']);
    const data = join(await tempFolder(), 'device');
    const server = [url];
    const without = await update(data, { server, product: 'demo/app' });
    expect(without.error).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/401.*RIVULET_TOKEN or --token/) as string,
    });
    const first = await update(data, {}, { RIVULET_TOKEN: secret });
    expect(first).toMatchObject({
      error: undefined,
      text: expect.stringContaining('no_release') as string,
    });
    const again = await update(data, {});
    expect(again.error).toBeUndefined();
    const file = join(data, 'config.json');
    expect(await readFile(file, 'utf8')).toContain(secret);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(first.text + again.text + String(without.error)).not.toContain(secret);
  });

  it('says what to do when the token does not grant its product', async () => {
    const { url, secret } = await startGuarded(['pull:other/**']);
    const data = join(await tempFolder(), 'device');
    const { error } = await update(data, { server: [url], product: 'demo/app', token: secret });
    expect(error).toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/403.*the token does not grant this/) as string,
    });
  });
});
