import { parseRepoName, parseTag } from '../../storage/names.ts';
import { formatPlatform, type Platform } from '../../storage/descriptor.ts';

/** What a device is told once and remembers in config.json. */
export interface DeviceOptions {
  /** Base URLs of the servers to ask, in order: the region's cache first. */
  readonly servers: readonly string[];
  readonly product: string;
  readonly channel: string;
  readonly platform: Platform;
  readonly region?: string | undefined;
  readonly deviceId: string;
  /** Shown to the device's own servers. */
  readonly token?: string | undefined;
  /** A shell command that says whether the release in `$RIVULET_IMAGE` works. */
  readonly health?: string | undefined;
  readonly healthTimeoutMs: number;
  /** Releases that stay on the device, 1 or 2; 2 makes `rollback` possible. */
  readonly keep: number;
  /** Bytes per second that downloads may take; 0 is no limit. */
  readonly maxBps: number;
  /** Bytes that queued reports may take. */
  readonly reportLimitBytes: number;
  /** A transfer that brings no byte for this long is cut and tried again. */
  readonly stallMs: number;
}

/** One setting: its key in config.json and in flags, its environment variable and how it reads. */
export interface OptionSpec {
  readonly key: string;
  readonly env: string;
  /** Another variable that may hold it, the weaker one. */
  readonly otherEnv?: string | undefined;
  /** The value in its canonical form; throws a message that says what is expected. */
  readonly parse: (text: string) => string | number;
}

const ENV_PREFIX = 'RIVULET_DEVICE_';
const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const REGION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const PLATFORM = /^[a-z0-9]{1,32}\/[a-z0-9]{1,32}(?:\/[a-z0-9]{1,32})?$/;

/** Every setting but `server`, which is a list. */
export const OPTION_SPECS: readonly OptionSpec[] = [
  { key: 'product', env: 'PRODUCT', parse: parseRepoName },
  { key: 'channel', env: 'CHANNEL', parse: parseTag },
  { key: 'platform', env: 'PLATFORM', parse: (text) => formatPlatform(parsePlatform(text)) },
  {
    key: 'region',
    env: 'REGION',
    parse: matching(REGION, 'a name of letters, digits, ".", "_", "-"'),
  },
  {
    key: 'deviceId',
    env: 'DEVICE_ID',
    parse: matching(DEVICE_ID, 'a name of letters, digits, ".", "_", ":", "-", at most 128'),
  },
  {
    key: 'token',
    env: 'TOKEN',
    // As every program of ours takes it.
    otherEnv: 'RIVULET_TOKEN',
    parse: matching(TOKEN, 'a token: visible ASCII without spaces, at most 4096'),
  },
  { key: 'health', env: 'HEALTH', parse: matching(/^[^\0]{1,4096}$/s, 'a shell command') },
  { key: 'healthTimeout', env: 'HEALTH_TIMEOUT', parse: whole(1, 86_400) },
  { key: 'keep', env: 'KEEP', parse: whole(1, 2) },
  { key: 'maxBps', env: 'MAX_BPS', parse: whole(0, 1e12) },
  { key: 'reportLimit', env: 'REPORT_LIMIT', parse: whole(4096, 1e9) },
  { key: 'stallTimeout', env: 'STALL_TIMEOUT', parse: whole(1, 3600) },
];

export const SERVER_ENV = `${ENV_PREFIX}SERVER`;
export const DATA_ENV = `${ENV_PREFIX}DATA`;

export function envName(spec: OptionSpec): string {
  return `${ENV_PREFIX}${spec.env}`;
}

/** Environment variables with our prefix that mean nothing. */
export function unknownEnv(env: NodeJS.ProcessEnv): readonly string[] {
  const known = new Set([SERVER_ENV, DATA_ENV, ...OPTION_SPECS.map(envName)]);
  return Object.keys(env).filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name));
}

/** A server's base URL without its trailing slash. */
export function parseServer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error(`not an http or https URL: ${JSON.stringify(text.slice(0, 200))}`);
  }
  if (url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new Error('a server URL has no user, query or fragment');
  }
  return url.href.replace(/\/+$/, '');
}

/** `os/architecture[/variant]`. */
export function parsePlatform(text: string): Platform {
  if (!PLATFORM.test(text)) {
    throw new Error('expected os/architecture or os/architecture/variant, such as linux/arm64');
  }
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, variant };
}

/** The platform of this machine, in OCI's words. */
export function machinePlatform(): Platform {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  switch (process.arch) {
    case 'x64':
      return { os, architecture: 'amd64' };
    case 'arm':
      return { os, architecture: 'arm', variant: 'v7' };
    case 'ia32':
      return { os, architecture: '386' };
    default:
      return { os, architecture: process.arch };
  }
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw new Error(`expected a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

function matching(pattern: RegExp, expected: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Error(`expected ${expected}`);
    return text;
  };
}
