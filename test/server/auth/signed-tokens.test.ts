import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { SignedTokens, type SignedClaims } from '../../../server/auth/signed-tokens.ts';
import { SigningKeys } from '../../../server/auth/signing-keys.ts';
import type { Catalog } from '../../../storage/catalog/catalog.ts';
import { openSqliteCatalog } from '../../../storage/catalog/sqlite.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const CLAIMS: SignedClaims = {
  subject: 'token:ci',
  secret: undefined,
  scopes: [{ type: 'repository', name: 'a/b', actions: ['pull'] }],
};

describe('signed tokens', () => {
  let nowMs: number;
  let catalog: Catalog;
  const clock = (): number => nowMs;
  const newProcess = (): SignedTokens =>
    new SignedTokens(new SigningKeys(catalog.signingKeys, clock), clock);

  beforeEach(async () => {
    nowMs = 1_764_000_000_000;
    catalog = await openSqliteCatalog(':memory:', clock);
    onTestFinished(() => catalog.close());
  });

  it('say what they were signed for, in every process', async () => {
    const { token, issuedMs } = await newProcess().sign(CLAIMS);
    expect(issuedMs).toBe(nowMs);
    expect(await newProcess().verify(token)).toEqual({ ...CLAIMS, secret: undefined });
  });

  it('run out after five minutes, and one more for clocks that differ', async () => {
    const tokens = newProcess();
    const { token } = await tokens.sign(CLAIMS);
    nowMs += 5.9 * MINUTE;
    expect(await tokens.verify(token)).toBeDefined();
    nowMs += 0.2 * MINUTE;
    expect(await tokens.verify(token)).toBeUndefined();
  });

  it('are taken as they were made only', async () => {
    const tokens = newProcess();
    const { token } = await tokens.sign(CLAIMS);
    const [head = '', body = '', signature = ''] = token.split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const { kid = '' } = decodeProtectedHeader(token);
    const [key] = await catalog.signingKeys.list();
    const make = (alg: string, secret: Uint8Array, audience: string) =>
      new SignJWT({ scope: 'repository:a/b:push' })
        .setProtectedHeader({ alg, kid })
        .setIssuer('rivulet-registry')
        .setAudience(audience)
        .setSubject('token:ci')
        .setExpirationTime(nowMs / 1000 + 60)
        .sign(secret);
    const secret = Buffer.from(key?.secret ?? '', 'base64url');
    expect(await tokens.verify(await make('HS256', secret, 'rivulet-registry'))).toBeDefined();
    for (const bad of [
      ...['', '.', '..', 'a.b.c', 'rvt_x', token.slice(0, -4), `${token}.x`],
      ...[`${head}.${body}.`, `${none}.${body}.`, `${none}.${body}.${signature}`],
      await make('HS256', Buffer.alloc(32), 'rivulet-registry'),
      await make('HS512', secret, 'rivulet-registry'),
      await make('HS256', secret, 'another'),
    ]) {
      expect([bad, await tokens.verify(bad)]).toEqual([bad, undefined]);
    }
  });

  it('are signed with one key by all who start at once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'rivulet-keys-'));
    const open = () => openSqliteCatalog(join(dir, 'catalog.sqlite'), clock);
    // Each with a connection of its own, as processes have.
    const catalogs = [await open(), await open(), await open(), await open()];
    onTestFinished(async () => {
      for (const one of catalogs) await one.close();
      await rm(dir, { recursive: true, force: true });
    });
    const processes = [...catalogs, ...catalogs].map(
      ({ signingKeys }) => new SignedTokens(new SigningKeys(signingKeys, clock), clock),
    );
    const made = await Promise.all(processes.map((one) => one.sign(CLAIMS)));
    const ids = made.map(({ token }) => decodeProtectedHeader(token).kid);
    expect(new Set(ids).size).toBe(1);
    for (const one of processes) {
      for (const { token } of made) expect(await one.verify(token)).toBeDefined();
    }
  });

  it('are signed with a new key each month, and by the old one are taken for an hour', async () => {
    const [first, second] = [newProcess(), newProcess()];
    const kidOf = (token: string): unknown => decodeProtectedHeader(token).kid;
    const before = await first.sign(CLAIMS);
    await second.verify(before.token);
    nowMs += 30 * DAY + 1;
    const [kept, late] = [await first.sign(CLAIMS), await second.sign(CLAIMS)];
    expect(kidOf(kept.token)).not.toBe(kidOf(before.token));
    expect(kidOf(late.token)).toBe(kidOf(kept.token));

    // The old key is still there for what a process that has not noticed yet signs with it.
    const old = await catalog.signingKeys.list();
    expect(old).toHaveLength(2);
    const sign = () =>
      new SignJWT({ scope: '' })
        .setProtectedHeader({ alg: 'HS256', kid: old[1]?.id ?? '' })
        .setIssuer('rivulet-registry')
        .setAudience('rivulet-registry')
        .setSubject('anonymous')
        .setExpirationTime(nowMs / 1000 + 60)
        .sign(Buffer.from(old[1]?.secret ?? '', 'base64url'));
    nowMs += 59 * MINUTE;
    expect(await second.verify(await sign())).toBeDefined();
    nowMs += 2 * MINUTE;
    expect(await second.verify(await sign())).toBeUndefined();
    expect(await newProcess().verify(await sign())).toBeUndefined();

    nowMs += 30 * DAY;
    await first.sign(CLAIMS);
    const kept2 = await catalog.signingKeys.list();
    expect(kept2.map(({ id }) => id)).not.toContain(old[1]?.id);
    expect(kept2).toHaveLength(2);
  });
});
