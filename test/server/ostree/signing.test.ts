import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  formatCommitmeta,
  parseCommitmeta,
  signaturesOf,
} from '../../../delta/ostree/commitmeta.ts';
import { formatPublicKey } from '../../../delta/ostree/sign/ed25519-keys.ts';
import { Ed25519Signer } from '../../../delta/ostree/sign/ed25519-signer.ts';
import { Ed25519Verifier } from '../../../delta/ostree/sign/ed25519-verifier.ts';
import { problemOf, Pusher, startOstreeRig, type OstreeRig } from './rig.ts';
import { sampleCommit, type SampleCommit } from './sample-commit.ts';

const KIND = 'ostree.sign.ed25519';

interface Pair {
  readonly secret: string;
  readonly public: string;
}

/** A key as libostree's key files hold it. */
function makeKey(): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = formatPublicKey(publicKey);
  const seed = seedOf(privateKey);
  return {
    public: raw,
    secret: Buffer.concat([seed, Buffer.from(raw, 'base64')]).toString('base64'),
  };
}

function seedOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
}

const [server, maker, stranger] = [makeKey(), makeKey(), makeKey()];
let rig: OstreeRig;

beforeAll(async () => {
  rig = await startOstreeRig((dir) => {
    mkdirSync(join(dir, 'keys'));
    const keyFile = join(dir, 'keys', 'server');
    writeFileSync(keyFile, server.secret);
    return {
      ostree: {
        repositories: {
          'signed/**': { sign: [{ kind: 'ed25519', keyFile }] },
          '*/strict': { requireSigned: [{ kind: 'ed25519', keys: [maker.public] }] },
          'broken/*': {
            sign: [{ kind: 'command', signature: KIND, command: ['/bin/false'] }],
          },
        },
      },
    };
  });
});
afterAll(() => rig.close());

const repo = (name: string) => new Pusher(`${rig.origin.url}/ostree/${name}`);
const trust = (key: Pair) => Ed25519Verifier.fromKeyFile(key.public);
const bytesOf = async (url: string) => {
  const response = await fetch(url);
  expect(response.status, url).toBe(200);
  return Buffer.from(await response.arrayBuffer());
};
const commitBytes = ({ objects }: SampleCommit) => Buffer.from(objects.at(-1)?.bytes ?? []);
const metaPath = (commit: string) => `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commitmeta`;

async function signedBy(sample: SampleCommit, key: Pair): Promise<Buffer> {
  const signature = await Ed25519Signer.fromKeyFile(key.secret).sign(commitBytes(sample));
  return formatCommitmeta([[KIND, { type: 'aay', value: [signature] }]]);
}

describe('a repository that the server signs', () => {
  it('has its signature on each commit and on each summary', async () => {
    const pusher = repo('signed/os');
    const summaries = new Set<string>();
    for (const text of ['one', 'two']) {
      const sample = await sampleCommit({ a: text });
      await pusher.objects(sample.objects);
      expect((await pusher.putRef('r', sample.commit)).status).toBe(200);
      const meta = parseCommitmeta(await bytesOf(`${pusher.url}/${metaPath(sample.commit)}`));
      expect(
        await trust(server).verify(commitBytes(sample), signaturesOf(meta, KIND)),
      ).toMatchObject({ kind: 'valid' });
      const summary = await bytesOf(`${pusher.url}/summary`);
      const sig = parseCommitmeta(await bytesOf(`${pusher.url}/summary.sig`));
      expect(await trust(server).verify(summary, signaturesOf(sig, KIND))).toMatchObject({
        kind: 'valid',
      });
      summaries.add(summary.toString('hex'));
    }
    expect(summaries.size).toBe(2);
  });

  it('keeps the signatures with which a commit came', async () => {
    const pusher = repo('signed/os');
    const sample = await sampleCommit({ a: 'came signed' });
    await pusher.objects(sample.objects);
    await pusher.send('PUT', `commitmeta/${sample.commit}`, await signedBy(sample, maker));
    await pusher.putRef('kept', sample.commit);
    await pusher.putRef('kept', sample.commit);
    const meta = parseCommitmeta(await bytesOf(`${pusher.url}/${metaPath(sample.commit)}`));
    const signatures = signaturesOf(meta, KIND);
    expect(signatures).toHaveLength(2);
    for (const key of [server, maker]) {
      expect(await trust(key).verify(commitBytes(sample), signatures)).toMatchObject({
        kind: 'valid',
      });
    }
  });

  it('signs what it makes of a rootfs', async () => {
    const pusher = repo('signed/rootfs');
    const made = await pusher.send('POST', 'rootfs?ref=r', Buffer.alloc(1024));
    const { commit } = (await made.json()) as { commit: string };
    expect((await fetch(`${pusher.url}/${metaPath(commit)}`)).status).toBe(200);
  });

  it('signs nothing for a move that fails', async () => {
    const pusher = repo('signed/os');
    const sample = await sampleCommit({ a: 'not moved' });
    await pusher.objects(sample.objects);
    expect(await problemOf(await pusher.putRef('kept', sample.commit, null))).toBe('409 conflict');
    expect((await fetch(`${pusher.url}/${metaPath(sample.commit)}`)).status).toBe(404);
    await pusher.objects(sample.objects.slice(1));
    const part = await sampleCommit({ b: 'part' });
    await pusher.objects(part.objects.slice(1));
    expect(await problemOf(await pusher.putRef('part', part.commit))).toBe('422 incomplete');
  });

  it('moves no ref while its signer fails', async () => {
    const pusher = repo('broken/os');
    const sample = await sampleCommit({ a: 'x' });
    await pusher.objects(sample.objects);
    expect(await problemOf(await pusher.putRef('r', sample.commit))).toBe('503 unavailable');
    expect((await fetch(`${pusher.url}/refs/heads/r`)).status).toBe(404);
  });
});

describe('a repository that wants signed commits', () => {
  it.each(['plain/strict', 'signed/strict'])(
    '%s moves a ref to a commit that one of its keys signed, and to no other',
    async (name) => {
      const pusher = repo(name);
      const sample = await sampleCommit({ a: name });
      await pusher.objects(sample.objects);
      expect(await problemOf(await pusher.putRef('r', sample.commit))).toBe('422 unsigned');
      await pusher.send('PUT', `commitmeta/${sample.commit}`, await signedBy(sample, stranger));
      expect(await problemOf(await pusher.putRef('r', sample.commit))).toBe('422 unsigned');
      expect((await fetch(`${pusher.url}/refs/heads/r`)).status).toBe(404);
      await pusher.send('PUT', `commitmeta/${sample.commit}`, await signedBy(sample, maker));
      expect((await pusher.putRef('r', sample.commit)).status).toBe(200);
      const other = await sampleCommit({ a: 'another one' });
      await pusher.objects(other.objects);
      await pusher.send('PUT', `commitmeta/${other.commit}`, await signedBy(sample, maker));
      expect(await problemOf(await pusher.putRef('r', other.commit))).toBe('422 unsigned');
    },
  );

  it('takes no rootfs, which nobody has signed', async () => {
    const made = await repo('plain/strict').send('POST', 'rootfs?ref=r2', Buffer.alloc(1024));
    expect(await problemOf(made)).toBe('422 unsigned');
  });
});

describe('settings', () => {
  const start = (repositories: unknown) => startOstreeRig({ ostree: { repositories } });

  it.each([
    [{ a: { sign: [{ kind: 'ed25519' }] } }, /keyFile/],
    [{ a: { sign: [{ kind: 'ed25519', keyFile: 'x', more: 1 }] } }, /"more"/],
    [{ a: { sign: [{ kind: 'rsa' }] } }, /must be one of ed25519, gpg, command/],
    [{ a: { sign: [{ kind: 'command', signature: KIND, command: [] }] } }, /fewer than 1/],
    [{ a: { requireSigned: [{ kind: 'gpg' }] } }, /keyring/],
    [{ a: { signs: [] } }, /no setting "signs"/],
    [{ 'A B': {} }, /property name|pattern/],
    [
      { a: { sign: [{ kind: 'ed25519', keyFile: '/nowhere' }] } },
      /ostree\.repositories\.a: the ed25519 key can't be used/,
    ],
    [
      { a: { requireSigned: [{ kind: 'ed25519', keys: ['short'] }] } },
      /ostree\.repositories\.a: the ed25519 key/,
    ],
  ])('%j is refused', async (repositories, why) => {
    await expect(start(repositories)).rejects.toThrow(why);
  });
});
