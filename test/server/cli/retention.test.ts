import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { runRivulet, startRivulet, type ServerProcess } from '../../clients/rivulet.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Pushes an image of one layer of its own, as a client does. */
async function push(url: string, tag: string): Promise<void> {
  const blob = async (text: string) => {
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes);
    const answer = await fetch(`${url}/v2/shop/app/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: bytes,
    });
    expect(answer.status).toBe(201);
    return { mediaType: 'application/octet-stream', digest, size: bytes.length };
  };
  const config = await blob(`config ${tag}`);
  const layers = [await blob(`layer of ${tag}`)];
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers });
  const answer = await fetch(`${url}/v2/shop/app/manifests/${tag}`, {
    ...{ method: 'PUT', body, headers: { 'Content-Type': MANIFEST } },
  });
  expect(answer.status).toBe(201);
}

describe('rivulet retention', () => {
  let dir = '';
  let origin: ServerProcess;
  const settings = () => ['--data', join(dir, 'data'), '--config', join(dir, 'rivulet.yaml')];
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-retention-'));
    await writeFile(
      join(dir, 'rivulet.yaml'),
      'retention:\n  - { repositories: "shop/**", tags: "v*", keepLast: 1 }\n',
    );
    origin = await startRivulet(['serve', ...settings(), '--listen', '127.0.0.1:0']);
    for (const tag of ['v1', 'v2', 'stable']) await push(origin.url, tag);
  });
  afterAll(async () => {
    await origin.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const status = async (tag: string) =>
    (await fetch(`${origin.url}/v2/shop/app/manifests/${tag}`)).status;

  it('says of each tag why it stays or goes, and changes nothing', async () => {
    const { code, stdout } = await runRivulet(['retention', 'preview', ...settings()]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^shop\/app +stable +.* stays +no rule is for it$/m);
    expect(stdout).toMatch(/^shop\/app +v1 +.* would go +retention\.0 +\d+ B$/m);
    expect(stdout).toMatch(/^shop\/app +v2 +.* stays +retention\.0: one of the last 1$/m);
    expect(stdout).toMatch(/^would remove 1 tags, 1 manifests; gc could then free \d+ B$/m);
    expect(await status('v1')).toBe(200);
  });

  it('is applied before a collection, beside a running origin', async () => {
    const kept = await runRivulet(['gc', '--no-retention', '--grace', '0', ...settings()]);
    expect(kept.stdout).not.toContain('manifests');
    expect(await status('v1')).toBe(200);
    const { code, stdout } = await runRivulet(['gc', '--grace', '0', '--json', ...settings()]);
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events[0]).toMatchObject({ event: 'retention', tags: 1, manifests: 1 });
    expect(events[1]).toMatchObject({ event: 'gc', removedBlobs: 3 });
    expect(events[1]?.['removedBytes']).toBe(events[0]?.['freesBytes']);
    expect([await status('v1'), await status('v2'), await status('stable')]).toEqual([
      404, 200, 200,
    ]);
    const { stdout: again } = await runRivulet(['retention', 'apply', '--json', ...settings()]);
    expect(again).toMatch(/"event":"retention","dryRun":false,"rules":1,"tags":0/);
  });

  it('refuses rules that say nothing or cannot be read, with their place', async () => {
    const path = join(dir, 'bad.yaml');
    const rules = [
      '{ repositories: "**", tags: "v*" }',
      '{ repositories: "**" }',
      '{ repositories: "A B", untagged: { keepYoungerThan: 7 } }',
      '{ repositories: "**", keepLast: 3, keep: 1 }',
    ];
    const refusal = async (...some: readonly string[]) => {
      await writeFile(path, `retention:\n${some.map((rule) => `  - ${rule}\n`).join('')}`);
      const { code, stderr } = await runRivulet(['retention', 'preview', '--config', path]);
      expect(code).toBe(2);
      return stderr;
    };
    const some = await refusal(...rules.slice(0, 2));
    expect(some).toContain('retention.0 names tags, but neither keepLast nor keepYoungerThan');
    expect(some).toContain('retention.1 keeps nothing');
    const more = await refusal(...rules.slice(2));
    expect(more).toContain('retention.0.repositories must match pattern');
    expect(more).toContain('retention.0.untagged.keepYoungerThan must match pattern');
    expect(more).toContain('retention.1 has no setting "keep"');
    expect(more).toContain('retention.1 must have property tags');
  });
});
