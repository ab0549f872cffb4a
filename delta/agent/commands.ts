import { resolve } from 'node:path';

import { optimizeLate } from '../optimize-late.ts';
import { readBootId } from './boot-id.ts';
import { loadOptions, saveOptions, type Flags } from './config.ts';
import { withDevice, type Device, type DeviceEnv } from './device.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { createOutput, type Output, type ResultEvent, type Terminal } from './output.ts';
import { DATA_ENV } from './options.ts';
import { devicePaths } from './paths.ts';
import { serveRegistry } from './serve.ts';
import { openInstant } from './spend/account-clock.ts';
import { printStatus } from './status.ts';
import { update } from './update.ts';

/** The process around a command. */
export interface Host extends Terminal {
  readonly env: NodeJS.ProcessEnv;
  /** Fires at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

export interface CommandFlags extends Flags {
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
  readonly retry?: boolean | undefined;
  readonly listen?: string | undefined;
}

const DRAIN_MS = 10_000;

/** `rivulet-device update`. */
export async function updateCommand(flags: CommandFlags, host: Host): Promise<void> {
  optimizeLate();
  const result = await runDevice(flags, host, true, async (device) => {
    await saveOptions(device.paths.config, device.options);
    return update(device, { retry: flags.retry === true });
  });
  failUnhealthy(result);
}

/** Throws `unhealthy` when the agent went back by itself. */
export function failUnhealthy(result: ResultEvent): void {
  if (result.outcome !== 'rolled_back') return;
  const why = result.reason ?? 'no reason given';
  throw new DeviceError(
    'unhealthy',
    `release ${result.from ?? '?'} is unhealthy (${why}); went back to ${result.to ?? 'nothing'}, try it again with --retry`,
  );
}

/** `rivulet-device status`. */
export async function statusCommand(flags: CommandFlags, host: Host): Promise<void> {
  const paths = pathsOf(flags, host);
  const options = await loadOptions(paths.config, flags, host.env, false);
  const output = await createOutput(host, flags.json === true, Date.now);
  await printStatus(paths, options, (await openInstant(Date.now))(), output);
}

/** `rivulet-device serve`. */
export async function serveCommand(flags: CommandFlags, host: Host): Promise<void> {
  const paths = pathsOf(flags, host);
  const options = await loadOptions(paths.config, flags, host.env, false);
  if (options.product === '') {
    throw new DeviceError('config', 'configuration: product: missing; run an update first');
  }
  const { product, channel } = options;
  const server = await serveRegistry({
    paths,
    product,
    channel,
    ...parseListen(flags.listen ?? '127.0.0.1:0'),
    onError: (message) => host.stderr.write(`rivulet-device: ${message}\n`),
  });
  host.stdout.write(`${JSON.stringify({ event: 'listening', url: server.url })}\n`);
  await new Promise<void>((done) => {
    if (host.signal.aborted) done();
    host.signal.addEventListener('abort', () => {
      done();
    });
  });
  await server.close(DRAIN_MS);
}

/** Runs a command on the locked folder and tells its result. */
export async function runDevice(
  flags: CommandFlags,
  host: Host,
  complete: boolean,
  work: (device: Device) => Promise<ResultEvent>,
): Promise<ResultEvent> {
  const paths = pathsOf(flags, host);
  const options = await loadOptions(paths.config, flags, host.env, complete);
  const output: Output = await createOutput(host, flags.json === true, Date.now);
  const env: DeviceEnv = {
    paths,
    options,
    output,
    clock: Date.now,
    random: Math.random,
    signal: host.signal,
    bootId: readBootId,
  };
  try {
    const result = await withDevice(env, work);
    output.emit(result);
    return result;
  } catch (error) {
    const fault = toDeviceError(error, 'rivulet-device');
    const none = { bytes: 0, fetchMs: 0, applyMs: 0 };
    output.emit({ event: 'result', outcome: 'failed', ...none, reason: fault.code });
    throw fault;
  } finally {
    output.close();
  }
}

/** The device's folder: the flag over the environment over the default. */
export function pathsOf(flags: CommandFlags, host: Host): ReturnType<typeof devicePaths> {
  return devicePaths(resolve(flags.data ?? host.env[DATA_ENV] ?? './rivulet-device'));
}

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new DeviceError('config', `--listen: expected HOST:PORT, not ${JSON.stringify(text)}`);
  }
  return { host, port: Number(port) };
}
