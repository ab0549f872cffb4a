import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { needTool } from './require.ts';
import { runTool } from './run-tool.ts';

const helm = needTool('helm');

describe.skipIf(helm === undefined)('helm', () => {
  let rig: ClientRig;
  let charts: string;

  beforeAll(async () => {
    rig = await startClientRig('helm');
    charts = `oci://${rig.host}/charts`;
    printVersion('helm', await versionOf(helm ?? ''));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => rig.run(helm ?? '', args);

  it('pushes packaged charts, shows, pulls and renders them', async () => {
    for (const version of ['1.0.0', '1.1.0+build.7']) {
      await writeChart(join(rig.dir, 'till'), version);
      await run('package', 'till', '--destination', rig.dir);
      await run('push', `till-${version}.tgz`, charts, '--plain-http');
    }
    const show = await run('show', 'chart', `${charts}/till`, '--version', '1.0.0', '--plain-http');
    expect(show).toContain('version: 1.0.0');
    // A range makes it list the tags; a plus in a version is an underscore in its tag.
    const newest = await run('show', 'chart', `${charts}/till`, '--version', '^1', '--plain-http');
    expect(newest).toContain('version: 1.1.0+build.7');
    const out = join(rig.dir, 'out');
    await mkdir(out);
    await run('pull', `${charts}/till`, '--version', '1.0.0', '--plain-http', '-d', out);
    const before = await readFile(join(rig.dir, 'till-1.0.0.tgz'));
    expect((await readFile(join(out, 'till-1.0.0.tgz'))).equals(before)).toBe(true);
    const rendered = await run('template', 'mine', `${charts}/till`, '--plain-http');
    expect(rendered).toContain('release: mine');
  });

  it('says that a chart is missing', async () => {
    const pull = run('pull', `${charts}/absent`, '--version', '1.0.0', '--plain-http');
    await expect(pull).rejects.toThrow(/not found/);
  });
});

/** Built by `go install` it knows only major and minor; Go wrote the whole version into it. */
async function versionOf(program: string): Promise<string> {
  const module = /mod\thelm\.sh\/helm\/v3\t(v\S+)\t/.exec(await readFile(program, 'latin1'));
  return module?.[1] ?? runTool(program, ['version', '--template', '{{.Version}}']);
}

async function writeChart(dir: string, version: string): Promise<void> {
  await mkdir(join(dir, 'templates'), { recursive: true });
  const chart = ['apiVersion: v2', 'name: till', `version: ${version}`, ''];
  await writeFile(join(dir, 'Chart.yaml'), chart.join('\n'));
  const map = ['apiVersion: v1', 'kind: ConfigMap', 'metadata:', '  name: till', 'data:'];
  const template = [...map, '  release: {{ .Release.Name }}', ''];
  await writeFile(join(dir, 'templates/map.yaml'), template.join('\n'));
}
