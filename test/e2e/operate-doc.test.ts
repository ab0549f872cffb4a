import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { freePort } from '../../bench/free-port.ts';
import { writeSmallRelease } from '../clients/oci-image.ts';
import { needTool } from '../clients/require.ts';
import { blocksOf, TypedCommands } from './typed-commands.ts';

const minio = needTool('minio');

describe.skipIf(minio === undefined)('docs/operate.md', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-operate-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('moves an origin into a bucket by the commands that it shows', async () => {
    const folder = await blocksOf('One folder');
    const bucket = await blocksOf('Into a bucket');
    expect([folder.length, bucket.length]).toEqual([1, 6]);
    const commands = await TypedCommands.in(dir, [minio ?? '']);
    await writeSmallRelease(join(dir, 'release'), 'v', 1);
    // Between the sections a release is pushed; at the end it is pulled out of the bucket.
    const push = 'rivulet push oci:release:v app:stable --server http://127.0.0.1:8480\n';
    const pull = 'curl -sf http://127.0.0.1:8480/v2/app/manifests/stable -o pulled\n';
    const begin = `set -em\ntrap 'kill $(jobs -p) || true; wait || true' EXIT\n`;
    const script = [begin, ...folder, push, ...bucket, pull];
    const typed = await onFreePorts(script.join(''));

    const { code, output } = await commands.run(typed, { RIVULET_MATRIX_BUILDERS: '0' });
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toContain('0 faults');
    expect(output).toContain('migrate-store --data ./origin --to rivulet-s3.yaml --final');
    const names = await readdir(join(dir, 'release/blobs/sha256'));
    const manifests = await Promise.all(
      names.map((name) => readFile(join(dir, 'release/blobs/sha256', name))),
    );
    const pulled = await readFile(join(dir, 'pulled'));
    expect(manifests.some((bytes) => bytes.equals(pulled))).toBe(true);
    expect(await readdir(join(dir, 'origin'))).not.toContain('store');
  }, 240_000);
});

async function onFreePorts(script: string): Promise<string> {
  const [origin, store] = [await freePort(), await freePort()];
  return script.replaceAll(':8480', `:${origin}`).replaceAll(':9000', `:${store}`);
}
