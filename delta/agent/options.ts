import { parseRepoName, parseTag } from '../../storage/names.ts';
import { formatPlatform, type Platform } from '../../storage/descriptor.ts';
import { formatQuota, parseBytes, parseQuota, type Quota } from './spend/quota.ts';
import { canonicalTarget } from './targets/spec.ts';
import { machineZone, parseWindow, parseZone } from './window.ts';

export type ActivateMode = 'now' | 'reboot';
export type RepairMode = 'off' | 'auto';

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
  /** What a release becomes, as `parseTargetSpec` reads it. */
  readonly target: string;
  /** Shell commands around an update, as `runHook` runs them. */
  readonly preInstall?: string | undefined;
  readonly preActivate?: string | undefined;
  readonly postActivate?: string | undefined;
  readonly hookTimeoutMs: number;
  /** Whether a release runs as soon as it is switched to, or after a reboot. */
  readonly activate: ActivateMode;
  readonly rebootCommand?: string | undefined;
  /** Boots into a release that may end unconfirmed. */
  readonly bootAttempts: number;
  /** Whether a damaged base is repaired before the next plan is tried. */
  readonly repair: RepairMode;
  /** Releases that stay on the device; 2 or more make `rollback` possible. */
  readonly keep: number;
  /** Bytes per second that downloads may take; 0 is no limit. */
  readonly maxBps: number;
  /** Bytes on the wire that one release may cost, beside what its decision says; 0 is no ceiling. */
  readonly maxBytes: number;
  readonly quota: Quota;
  /** Bytes of the disk that an update leaves free. */
  readonly minFreeBytes: number;
  /** Memory that a plan may need; 0 is what the machine has. */
  readonly maxRamBytes: number;
  /** The link costs money: no image is pulled whole where a delta or chunks would do. */
  readonly metered: boolean;
  /** When releases may be activated, as `parseWindow` reads it; absent is always. */
  readonly window?: string | undefined;
  /** The time zone of the window; absent is that of the machine. */
  readonly zone?: string | undefined;
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
const COMMAND = /^[^\0]{1,4096}$/s;
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const PLATFORM = /^[a-z0-9]{1,32}\/[a-z0-9]{1,32}(?:\/[a-z0-9]{1,32})?$/;

/** Says that a release may be activated at any time. */
export const ANY_WINDOW = 'any';

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
  { key: 'health', env: 'HEALTH', parse: matching(COMMAND, 'a shell command') },
  { key: 'healthTimeout', env: 'HEALTH_TIMEOUT', parse: whole(1, 86_400) },
  { key: 'target', env: 'TARGET', parse: canonicalTarget },
  { key: 'preInstall', env: 'PRE_INSTALL', parse: matching(COMMAND, 'a shell command') },
  { key: 'preActivate', env: 'PRE_ACTIVATE', parse: matching(COMMAND, 'a shell command') },
  { key: 'postActivate', env: 'POST_ACTIVATE', parse: matching(COMMAND, 'a shell command') },
  { key: 'hookTimeout', env: 'HOOK_TIMEOUT', parse: whole(1, 86_400) },
  { key: 'activate', env: 'ACTIVATE', parse: matching(/^(?:now|reboot)$/, 'now or reboot') },
  { key: 'rebootCommand', env: 'REBOOT_COMMAND', parse: matching(COMMAND, 'a shell command') },
  { key: 'bootAttempts', env: 'BOOT_ATTEMPTS', parse: whole(1, 100) },
  { key: 'repair', env: 'REPAIR', parse: matching(/^(?:off|auto)$/, 'off or auto') },
  { key: 'keep', env: 'KEEP', parse: whole(1, 32) },
  { key: 'maxBps', env: 'MAX_BPS', parse: whole(0, 1e12) },
  { key: 'maxBytes', env: 'MAX_BYTES', parse: parseBytes },
  { key: 'quota', env: 'QUOTA', parse: (text) => formatQuota(parseQuota(text)) },
  { key: 'minFree', env: 'MIN_FREE', parse: parseBytes },
  { key: 'maxRam', env: 'MAX_RAM', parse: parseBytes },
  { key: 'metered', env: 'METERED', parse: matching(/^(?:true|false)$/, 'true or false') },
  { key: 'window', env: 'WINDOW', parse: parseWindowText },
  { key: 'zone', env: 'ZONE', parse: parseZone },
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

/** A window as text; `any` is none. */
function parseWindowText(text: string): string {
  return text === ANY_WINDOW ? text : parseWindow(text, machineZone()).text;
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
