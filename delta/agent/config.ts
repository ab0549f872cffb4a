import { randomBytes } from 'node:crypto';

import { formatPlatform } from '../../storage/descriptor.ts';
import { readSmall, writeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { JsonReader } from './json.ts';
import { formatQuota, parseQuota } from './spend/quota.ts';
import {
  ANY_WINDOW,
  envName,
  machinePlatform,
  OPTION_SPECS,
  parsePlatform,
  parseServer,
  SERVER_ENV,
  unknownEnv,
  type DeviceOptions,
  type OptionSpec,
} from './options.ts';

/** Flags as the command line gave them. */
export interface Flags {
  readonly server?: readonly string[] | undefined;
  readonly [key: string]: unknown;
}

const MAX_CONFIG_BYTES = 65_536;
const SERVER_KEY = 'servers';
const OWNER_ONLY = 0o600;
/** Random ones of a made-up name, which goes out with each check: no two of a thousand million are the same. */
const DEVICE_ID_BYTES = 12;
/** Room for state, reports and what else the machine writes. */
const DEFAULT_MIN_FREE_BYTES = 1024 * 1024;

/**
 * The device's configuration: flags over the environment over config.json over defaults. Checked
 * whole; throws `config` with every fault listed. A product and a server are needed when `complete`.
 */
export async function loadOptions(
  path: string,
  flags: Flags,
  env: NodeJS.ProcessEnv,
  complete: boolean,
): Promise<DeviceOptions> {
  const faults = unknownEnv(env).map((name) => `${name}: unknown environment variable`);
  const file = await readFileSettings(path, faults);
  const value = (spec: OptionSpec): string | number | undefined =>
    firstParsed(spec, flags, env, file, faults);
  const values = new Map(OPTION_SPECS.map((spec) => [spec.key, value(spec)]));
  const servers = parseServers(flags, env, file, faults);
  if (complete && values.get('product') === undefined) {
    faults.push('product: missing; give --product NAME, the repository of the images');
  }
  if (complete && servers.length === 0) faults.push('server: missing; give --server URL');
  if (faults.length > 0) throw new DeviceError('config', `configuration: ${faults.join('; ')}`);
  return toOptions(values, servers);
}

/** Remembers the options, so that the next run needs none of them; a token is for the owner's eyes. */
export async function saveOptions(path: string, options: DeviceOptions): Promise<void> {
  const text = `${JSON.stringify(toFile(options), null, 2)}\n`;
  const old = await readSmall(path, MAX_CONFIG_BYTES);
  if (old?.toString('utf8') !== text) await writeDurable(path, text, OWNER_ONLY);
}

function toOptions(
  values: ReadonlyMap<string, string | number | undefined>,
  servers: readonly string[],
): DeviceOptions {
  const text = (key: string): string | undefined => {
    const value = values.get(key);
    return typeof value === 'string' ? value : undefined;
  };
  const count = (key: string, fallback: number): number => {
    const value = values.get(key);
    return typeof value === 'number' ? value : fallback;
  };
  const platform = text('platform');
  return {
    servers,
    product: text('product') ?? '',
    channel: text('channel') ?? 'latest',
    platform: platform === undefined ? machinePlatform() : parsePlatform(platform),
    region: text('region'),
    deviceId: text('deviceId') ?? `device-${randomBytes(DEVICE_ID_BYTES).toString('base64url')}`,
    token: text('token'),
    health: text('health'),
    healthTimeoutMs: count('healthTimeout', 60) * 1000,
    target: text('target') ?? 'layout',
    preInstall: text('preInstall'),
    preActivate: text('preActivate'),
    postActivate: text('postActivate'),
    hookTimeoutMs: count('hookTimeout', 60) * 1000,
    activate: text('activate') === 'reboot' ? 'reboot' : 'now',
    rebootCommand: text('rebootCommand'),
    bootAttempts: count('bootAttempts', 3),
    repair: text('repair') === 'auto' ? 'auto' : 'off',
    keep: count('keep', 3),
    maxBps: count('maxBps', 0),
    maxBytes: count('maxBytes', 0),
    quota: parseQuota(text('quota') ?? 'none'),
    minFreeBytes: count('minFree', DEFAULT_MIN_FREE_BYTES),
    maxRamBytes: count('maxRam', 0),
    metered: text('metered') === 'true',
    window: text('window') === ANY_WINDOW ? undefined : text('window'),
    zone: text('zone'),
    reportLimitBytes: count('reportLimit', 262_144),
    stallMs: count('stallTimeout', 30) * 1000,
  };
}

function toFile(options: DeviceOptions): Readonly<Record<string, unknown>> {
  return {
    [SERVER_KEY]: options.servers,
    product: options.product,
    channel: options.channel,
    platform: formatPlatform(options.platform),
    region: options.region,
    deviceId: options.deviceId,
    token: options.token,
    health: options.health,
    healthTimeout: options.healthTimeoutMs / 1000,
    target: options.target,
    preInstall: options.preInstall,
    preActivate: options.preActivate,
    postActivate: options.postActivate,
    hookTimeout: options.hookTimeoutMs / 1000,
    activate: options.activate,
    rebootCommand: options.rebootCommand,
    bootAttempts: options.bootAttempts,
    repair: options.repair,
    keep: options.keep,
    maxBps: options.maxBps,
    maxBytes: options.maxBytes,
    quota: formatQuota(options.quota),
    minFree: options.minFreeBytes,
    maxRam: options.maxRamBytes,
    metered: options.metered,
    window: options.window ?? ANY_WINDOW,
    zone: options.zone,
    reportLimit: options.reportLimitBytes,
    stallTimeout: options.stallMs / 1000,
  };
}

async function readFileSettings(path: string, faults: string[]): Promise<JsonReader | undefined> {
  const bytes = await readSmall(path, MAX_CONFIG_BYTES);
  if (bytes === undefined) return undefined;
  const file = JsonReader.parse(bytes, path, 'config');
  const known = new Set([SERVER_KEY, ...OPTION_SPECS.map((spec) => spec.key)]);
  for (const key of file.keys()) {
    if (!known.has(key)) faults.push(`${path}: unknown key ${JSON.stringify(key)}`);
  }
  return file;
}

function firstParsed(
  spec: OptionSpec,
  flags: Flags,
  env: NodeJS.ProcessEnv,
  file: JsonReader | undefined,
  faults: string[],
): string | number | undefined {
  const flag = flags[spec.key];
  if (typeof flag === 'boolean') return `${flag}`;
  if (typeof flag === 'string') return attempt(() => spec.parse(flag), flagName(spec), faults);
  const other = spec.otherEnv === undefined ? undefined : env[spec.otherEnv];
  const fromEnv = env[envName(spec)] ?? (other === '' ? undefined : other);
  if (fromEnv !== undefined) return attempt(() => spec.parse(fromEnv), envName(spec), faults);
  if (file?.has(spec.key) !== true) return undefined;
  return attempt(() => spec.parse(String(file.scalar(spec.key))), 'config.json', faults);
}

/** A value, or undefined and one more fault. */
function attempt<T>(read: () => T, where: string, faults: string[]): T | undefined {
  try {
    return read();
  } catch (error) {
    faults.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function parseServers(
  flags: Flags,
  env: NodeJS.ProcessEnv,
  file: JsonReader | undefined,
  faults: string[],
): readonly string[] {
  const remembered = (): readonly string[] =>
    file?.has(SERVER_KEY) === true ? file.strings(SERVER_KEY, 16) : [];
  const given =
    flags.server ??
    env[SERVER_ENV]?.split(/[\s,]+/).filter((part) => part !== '') ??
    attempt(remembered, 'config.json', faults) ??
    [];
  return given.flatMap((text) => attempt(() => parseServer(text), 'server', faults) ?? []);
}

function flagName(spec: OptionSpec): string {
  return `--${spec.key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
