import { describe, expect, it } from 'vitest';

import { DeviceError, type DeviceErrorCode } from '../../../delta/agent/errors.ts';
import { tryServers } from '../../../delta/agent/retry.ts';

const env = { random: () => 0, signal: new AbortController().signal };

/** Runs against servers that fail with a code, or answer; the tries made, and how it ended. */
async function run(
  servers: Readonly<Record<string, DeviceErrorCode | 'ok'>>,
  progress: () => number = () => 0,
): Promise<{ readonly tries: readonly string[]; readonly end: string }> {
  const tries: string[] = [];
  try {
    const end = await tryServers(Object.keys(servers), env, progress, (server) => {
      tries.push(server);
      const outcome = servers[server] ?? 'internal';
      if (outcome !== 'ok') throw new DeviceError(outcome, server);
      return Promise.resolve(server);
    });
    return { tries, end };
  } catch (error) {
    return { tries, end: error instanceof DeviceError ? error.code : String(error) };
  }
}

describe('trying servers', () => {
  it('asks the next one at once when a blob is missing or corrupt', async () => {
    expect(await run({ region: 'missing_blob', origin: 'ok' })).toEqual({
      tries: ['region', 'origin'],
      end: 'origin',
    });
    expect((await run({ region: 'corrupt', origin: 'ok' })).end).toBe('origin');
  });

  it('tries a silent one again before it moves on', async () => {
    const { tries, end } = await run({ region: 'unreachable', origin: 'ok' });
    expect(tries).toEqual(['region', 'region', 'region', 'region', 'origin']);
    expect(end).toBe('origin');
  });

  it('ends with the fault that decides: bad bytes before silence before absence', async () => {
    expect((await run({ a: 'corrupt', b: 'unreachable', c: 'missing_blob' })).end).toBe('corrupt');
    expect((await run({ a: 'missing_blob', b: 'missing_blob' })).end).toBe('missing_blob');
    expect((await run({})).end).toBe('bad_answer');
  });

  it('ends at once when the device itself fails', async () => {
    for (const code of ['no_space', 'io', 'aborted', 'internal'] as const) {
      expect(await run({ a: code, b: 'ok' })).toEqual({ tries: ['a'], end: code });
    }
  });

  it('goes on with a bad link as long as it brings bytes', async () => {
    let bytes = 0;
    let tries = 0;
    await tryServers(
      ['a'],
      env,
      () => bytes,
      () => {
        tries += 1;
        if (tries === 12) return Promise.resolve();
        bytes += 1;
        throw new DeviceError('unreachable', 'a');
      },
    );
    expect(tries).toBe(12);
  });
});
