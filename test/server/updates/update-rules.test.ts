import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { loadServerConfig } from '../../../server/config-load.ts';
import { ServerError } from '../../../server/errors.ts';
import { decide } from '../../../server/updates/decide.ts';
import { serverBases } from '../../../server/updates/server-bases.ts';
import { pacesOf, type UpdateRule } from '../../../server/updates/update-rules.ts';
import { sampleAsk, sampleFacts } from './sample.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rivulet-update-rules-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function rulesOf(yaml: string): Promise<readonly UpdateRule[]> {
  const file = join(dir, 'rivulet.yaml');
  await writeFile(file, yaml);
  return (await loadServerConfig({ flags: {}, env: {}, file })).updates ?? [];
}

const RULES = `updates:
  - products: demo/*
    regions: eu-*
    maxBps: 500000
    notBefore: 2026-12-01T02:00:00+01:00
    window: Mon-Fri 02:00-05:00
    zone: Europe/Berlin
  - products: demo/**
    maxBps: 1000000
`;

it('puts what the first rule of product and region says into decisions', async () => {
  const rules = await rulesOf(RULES);
  const offered = (product: string, region: string | undefined) => {
    const facts = { ...sampleFacts(), paces: pacesOf(rules, product) };
    const env = { deviceId: 'd', nowMs: 0, servers: [], region };
    const outcome = decide(facts, sampleAsk('v1'), env);
    if (outcome.kind === 'none') throw new Error(outcome.reason);
    const { maxBps, notBeforeMs, installWindow } = outcome.decision;
    return { maxBps, notBeforeMs, installWindow };
  };
  expect(offered('demo/app', 'eu-west')).toEqual({
    maxBps: 500_000,
    notBeforeMs: Date.UTC(2026, 11, 1, 1),
    installWindow: { window: 'Mon-Fri 02:00-05:00', zone: 'Europe/Berlin' },
  });
  expect(offered('demo/app', 'us')).toEqual({ maxBps: 1_000_000 });
  expect(offered('demo/app', undefined)).toEqual({ maxBps: 1_000_000 });
  expect(offered('other', 'eu-west')).toEqual({});
});

it.each([
  ['notBefore: tomorrow', /updates\.0\.notBefore: no time: tomorrow/],
  ['window: Mon-Fry 02:00-05:00', /updates\.0\.window and zone: /],
  ['zone: Mars/Base', /updates\.0\.window and zone: expected a time zone/],
  ['maxBps: 0', /maxBps/],
])('refuses %s', async (rule, fault) => {
  const loading = rulesOf(`updates:\n  - ${rule}\n`);
  await expect(loading).rejects.toThrow(fault);
  await expect(loading).rejects.toBeInstanceOf(ServerError);
});

it('names itself in plans by its publicUrl, whatever the device called it', () => {
  const asked = { host: '10.0.0.1:8480', protocol: 'http', region: undefined } as const;
  const bases = (publicUrl: string) =>
    serverBases({ ...asked, cacheUrl: undefined, publicUrl }, undefined, {});
  expect(bases('https://updates.example/')).toEqual(['https://updates.example']);
  expect(bases('')).toEqual(['http://10.0.0.1:8480']);
});
