import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeTar } from '../../bench/demo/tar-writer.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { needTool } from './require.ts';

const crane = needTool('crane');
const oras = needTool('oras');

const CONFIG = 'application/vnd.cncf.flux.config.v1+json';
const CONTENT = 'application/vnd.cncf.flux.content.v1.tar+gzip';

/**
 * Flux's own command can't be built by `go install` (its module has replace directives), so its
 * artifact is pushed by oras and read by crane: Flux and its source-controller use crane's library
 * for tags, manifests and blobs.
 */
describe.skipIf(crane === undefined || oras === undefined)('an artifact as Flux makes it', () => {
  let rig: ClientRig;
  let repo: string;

  beforeAll(async () => {
    rig = await startClientRig('flux');
    repo = `${rig.host}/flux/till`;
    await writeFile(join(rig.dir, 'config.json'), '{"created":"2026-01-01T00:00:00Z"}');
    printVersion('crane', await rig.run(crane ?? '', ['version']));
    printVersion('oras', await rig.run(oras ?? '', ['version']));
  });
  afterAll(() => rig.close());

  const read = (...args: string[]) => rig.run(crane ?? '', ['--insecure', ...args]);

  /** Pushes manifests at a version; the digest of their layer. */
  async function push(version: string, manifests: string): Promise<string> {
    const file = { path: 'map.yaml', mode: 0o644, bytes: Buffer.from(manifests) };
    const bytes = gzipSync(writeTar([file]));
    await writeFile(join(rig.dir, 'content.tgz'), bytes);
    const facts = { source: 'ssh://git.example.test/till', revision: `${version}@sha1:abc` };
    await rig.run(oras ?? '', [
      ...['push', '--plain-http', '--config', `config.json:${CONFIG}`],
      ...Object.entries(facts).flatMap(([name, value]) => [
        '--annotation',
        `org.opencontainers.image.${name}=${value}`,
      ]),
      ...[`${repo}:${version}`, `content.tgz:${CONTENT}`],
    ]);
    return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  }

  it('is pushed, found by its semantic version, and pulled by digest', async () => {
    const layers = new Map<string, string>();
    for (const version of ['1.9.0', '1.10.0', '2.0.0-rc.1']) {
      layers.set(version, await push(version, `version: ${version}\n`));
    }
    const tags = (await read('ls', repo)).trim().split('\n');
    expect(tags.sort()).toEqual(['1.10.0', '1.9.0', '2.0.0-rc.1']);

    const digest = (await read('digest', `${repo}:1.10.0`)).trim();
    const manifest: unknown = JSON.parse(await read('manifest', `${repo}@${digest}`));
    expect(manifest).toMatchObject({
      config: { mediaType: CONFIG },
      layers: [{ mediaType: CONTENT, digest: layers.get('1.10.0') }],
      annotations: { 'org.opencontainers.image.revision': '1.10.0@sha1:abc' },
    });
    await read('export', `${repo}@${digest}`, 'out.tar');
    expect(await rig.run('tar', ['-xOf', 'out.tar'])).toBe('version: 1.10.0\n');
  });
});
