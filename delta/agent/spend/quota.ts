import { PERIODS, type Period } from './slices.ts';

/** Bytes that may be spent on the wire in any stretch of a period. */
export type Quota = Readonly<Partial<Record<Period, number>>>;

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};
/** Below it not even a check with its handshake fits. */
const MIN_QUOTA_BYTES = 16_384;

/** Bytes with a unit or without: `5MB`, `64KiB`, `1200`. */
export function parseBytes(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})([A-Za-z]{0,3})$/.exec(text) ?? [];
  const bytes = digits === '' ? NaN : Number(digits) * (UNITS[unit] ?? NaN);
  if (!Number.isSafeInteger(bytes)) {
    throw new Error(`expected bytes such as 1200, 64KiB or 5MB, not ${JSON.stringify(text)}`);
  }
  return bytes;
}

/** `hour=5MB,day=20MB,month=200MB`, each at most once; `none` is no quota. */
export function parseQuota(text: string): Quota {
  if (text === 'none') return {};
  const quota: Partial<Record<Period, number>> = {};
  for (const part of text.split(',')) {
    const [name = '', value = '', ...rest] = part.trim().split('=');
    const period = PERIODS.find((candidate) => candidate === name);
    if (period === undefined || rest.length > 0 || quota[period] !== undefined) {
      throw new Error('expected a quota such as hour=5MB,day=20MB,month=200MB, or none');
    }
    const bytes = parseBytes(value);
    if (bytes < MIN_QUOTA_BYTES) {
      throw new Error(`a quota is at least ${MIN_QUOTA_BYTES} bytes, room for checks`);
    }
    quota[period] = bytes;
  }
  return quota;
}

/** As {@link parseQuota} reads it. */
export function formatQuota(quota: Quota): string {
  const parts = PERIODS.flatMap((period) => {
    const bytes = quota[period];
    return bytes === undefined ? [] : [`${period}=${bytes}`];
  });
  return parts.length === 0 ? 'none' : parts.join(',');
}
