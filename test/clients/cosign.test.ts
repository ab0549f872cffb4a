import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needTool } from './require.ts';

const cosign = needTool('cosign');

/** Keys in files, and nobody but the registry is asked: no transparency log, no trust root. */
const REGISTRY = ['--allow-http-registry', '--allow-insecure-registry'];
const SIGN = [...REGISTRY, '--tlog-upload=false', '--yes', '--key'];
const VERIFY = [...REGISTRY, '--insecure-ignore-tlog', '--private-infrastructure', '--offline'];
const PREDICATE = 'https://example.test/predicate/v1';
const REFERRERS = { COSIGN_EXPERIMENTAL: '1' };

interface Payload {
  readonly critical: { readonly image: Readonly<Record<string, string>> };
  readonly optional: Readonly<Record<string, string>> | null;
}

describe.skipIf(cosign === undefined)('cosign', () => {
  let rig: ClientRig;
  let digest: string;
  let image: string;

  beforeAll(async () => {
    rig = await startClientRig('cosign');
    await writeSmallRelease(join(rig.dir, 'in'), 'v1', 1);
    digest = await rig.push(join(rig.dir, 'in'), 'demo/app', 'v1');
    image = `${rig.host}/demo/app@${digest}`;
    printVersion('cosign', await run('version'));
    await run('generate-key-pair');
    await run('generate-key-pair', '--output-key-prefix', 'other');
    await writeFile(join(rig.dir, 'predicate.json'), '{"builder":"test"}');
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => runIn({}, ...args);
  const runIn = (more: NodeJS.ProcessEnv, ...args: string[]) =>
    rig.run(cosign ?? '', args, { env: { ...rig.env, COSIGN_PASSWORD: '', ...more } });
  const verify = async (key: string, reference: string, ...more: string[]) =>
    JSON.parse(await run('verify', ...VERIFY, '--key', key, ...more, reference)) as Payload[];
  const tags = async (repo: string): Promise<readonly string[]> => {
    const answer = await fetch(`${rig.url}/v2/${repo}/tags/list`);
    return ((await answer.json()) as { tags: string[] }).tags;
  };

  it('signs an index by digest, and verifies by the right key only', async () => {
    await run('sign', ...SIGN, 'cosign.key', '-a', 'stage=test', image);
    const [payload] = await verify('cosign.pub', image);
    expect(payload?.critical.image['docker-manifest-digest']).toBe(digest);
    expect(payload?.optional).toMatchObject({ stage: 'test' });
    await verify('cosign.pub', `${rig.host}/demo/app:v1`, '-a', 'stage=test');
    await expect(verify('other.pub', image)).rejects.toThrow(/invalid signature|no matching/);
    const tag = `${digest.replace(':', '-')}.sig`;
    expect(await tags('demo/app')).toContain(tag);
  });

  it('adds a second signature to the first', async () => {
    await run('sign', ...SIGN, 'other.key', image);
    await verify('other.pub', image);
    await verify('cosign.pub', image);
  });

  it('attests, and verifies the predicate', async () => {
    const statement = ['--predicate', 'predicate.json', '--type', PREDICATE];
    await run('attest', ...SIGN, 'cosign.key', ...statement, image);
    const check = ['verify-attestation', ...VERIFY, '--type', PREDICATE, '--key'];
    const envelope = JSON.parse(await run(...check, 'cosign.pub', image)) as { payload: string };
    expect(JSON.parse(Buffer.from(envelope.payload, 'base64').toString())).toMatchObject({
      predicateType: PREDICATE,
      subject: [{ digest: { sha256: digest.slice('sha256:'.length) } }],
    });
    await expect(run(...check, 'other.pub', image)).rejects.toThrow(
      /invalid signature|no matching/,
    );
  });

  it('copies an image with its signatures, which verify there', async () => {
    const copied = `${rig.host}/demo/copied`;
    await run('copy', ...REGISTRY, image, `${copied}:v1`);
    await verify('cosign.pub', `${copied}:v1`);
    await run(
      'verify-attestation',
      ...VERIFY,
      '--type',
      PREDICATE,
      '--key',
      'cosign.pub',
      `${copied}:v1`,
    );
    expect(await run('triangulate', ...REGISTRY, image)).toContain('.sig');
    expect(await run('tree', ...REGISTRY, image)).toContain('.att');
  });

  it('signs as a referrer, without a tag', async () => {
    await writeSmallRelease(join(rig.dir, 'two'), 'v2', 2);
    const second = await rig.push(join(rig.dir, 'two'), 'demo/referrers', 'v2');
    const reference = `${rig.host}/demo/referrers@${second}`;
    await runIn(
      REFERRERS,
      'sign',
      ...SIGN,
      'cosign.key',
      '--registry-referrers-mode=oci-1-1',
      reference,
    );
    expect(await tags('demo/referrers')).toEqual(['v2']);
    const answer = await fetch(`${rig.url}/v2/demo/referrers/referrers/${second}`);
    const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] };
    const types = manifests.map(({ artifactType }) => artifactType);
    expect(types).toEqual(['application/vnd.dev.cosign.artifact.sig.v1+json']);
    const check = ['verify', ...VERIFY, '--experimental-oci11', '--key'];
    await runIn(REFERRERS, ...check, 'cosign.pub', reference);
    await expect(runIn(REFERRERS, ...check, 'other.pub', reference)).rejects.toThrow(/signature/);
  });

  it('attests in a bundle that refers to the image', async () => {
    const statement = ['--predicate', 'predicate.json', '--type', PREDICATE];
    await run('attest', ...SIGN, 'cosign.key', '--new-bundle-format', ...statement, image);
    const answer = await fetch(`${rig.url}/v2/demo/app/referrers/${digest}`);
    expect(await answer.json()).toMatchObject({
      manifests: [{ artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' }],
    });
    // With a key it needs no authority, but it insists on being told of one.
    const mediaType = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';
    await writeFile(join(rig.dir, 'root.json'), JSON.stringify({ mediaType }));
    const bundle = ['--new-bundle-format', '--trusted-root', 'root.json', '--type', PREDICATE];
    const check = ['verify-attestation', ...VERIFY, ...bundle];
    await run(...check, '--key', 'cosign.pub', image);
    await expect(run(...check, '--key', 'other.pub', image)).rejects.toThrow(/signature/);
  });

  it('removes signatures', async () => {
    await run('clean', ...REGISTRY, '--force', image);
    await expect(verify('cosign.pub', image)).rejects.toThrow(/no signatures found/);
    expect(await tags('demo/app')).toEqual(['v1']);
  });
});
