import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fillTree, RealRepo } from '../../delta/ostree/real-repo.ts';
import { OSTREE, startOstreeRig, type OstreeRig } from './ostree-rig.ts';

const REF = 'os/x86_64/stable';
const TIME = '2026-01-31T12:00:00Z';

describe.skipIf(OSTREE === undefined)('rivulet push rootfs: --branch', () => {
  let rig: OstreeRig;
  let repo: RealRepo;
  let tar = '';
  beforeAll(async () => {
    rig = await startOstreeRig();
    repo = new RealRepo('archive');
    fillTree(repo.tree);
    tar = join(repo.folder, 'root.tar');
    execFileSync('tar', ['-cf', tar, '-C', repo.tree, '.']);
  });
  afterAll(async () => {
    repo.remove();
    await rig.close();
  });
  const words = ['--subject', 'Release 1', '--body', 'Notes.\nMore + less.', '--timestamp', TIME];

  it('becomes the commit that the real command makes, and moves the ref', async () => {
    const wanted = repo.run(
      'commit',
      `--branch=${REF}`,
      `--tree=tar=${tar}`,
      '--subject=Release 1',
      '--body=Notes.\nMore + less.',
      `--timestamp=${TIME}`,
    );
    const first = await rig.pushed(`rootfs:${tar}`, 'fleet/root', '--branch', REF, ...words);
    expect(first).toMatchObject({ event: 'pushed', ref: REF, commit: wanted, before: null });
    expect(await rig.ref('fleet/root', REF)).toBe(wanted);
    await rig.pull('fleet/root', REF);

    const zipped = join(repo.folder, 'root.tar.gz');
    execFileSync('tar', ['-czf', zipped, '-C', repo.tree, '.']);
    const again = await rig.push(`rootfs:${zipped}`, 'fleet/zip', '--branch', REF, ...words);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain(`pushed fleet/zip ${REF} ${wanted} (new)\n`);
    const next = await rig.pushed(`rootfs:${tar}`, 'fleet/root', '--branch', REF);
    expect(next).toMatchObject({ before: wanted });
  });

  it('is an image without --branch, as ever', async () => {
    const image = await rig.push(`rootfs:${tar}`, 'fleet/image:1');
    expect(image).toMatchObject({ code: 0, stderr: '' });
    const head = await fetch(`${rig.url}/v2/fleet/image/manifests/1`, { method: 'HEAD' });
    expect(head.status).toBe(200);
  });

  it('refuses what is no tar, and moves nothing', async () => {
    const broken = join(repo.folder, 'broken.tar');
    writeFileSync(broken, 'no tar at all');
    const cut = join(repo.folder, 'cut.tar.gz');
    const zipped = execFileSync('tar', ['-cz', '-C', repo.tree, '.'], { maxBuffer: 1 << 24 });
    writeFileSync(cut, zipped.subarray(0, zipped.length / 2));
    for (const path of [broken, cut]) {
      const { code, stderr } = await rig.push(`rootfs:${path}`, 'fleet/none', '--branch', REF);
      expect({ path, code }).toEqual({ path, code: 3 });
      expect(stderr).toMatch(/^rivulet: .*\n$/);
      expect(await rig.ref('fleet/none', REF)).toBeUndefined();
    }
    const absent = await rig.push('rootfs:/none.tar', 'fleet/none', '--branch', REF);
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain('/none.tar');
    const time = await rig.push(`rootfs:${tar}`, 'x', '--branch', REF, '--timestamp', 'noon');
    expect(time.code).toBe(2);
  });
});
