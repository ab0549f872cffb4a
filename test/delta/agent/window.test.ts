import { describe, expect, it } from 'vitest';

import { nextOpenMs, parseWindow, parseZone } from '../../../delta/agent/window.ts';

const utc = (text: string): number => Date.parse(`${text}Z`);

function opens(spans: string, zone: string, from: string): string | undefined {
  const ms = nextOpenMs([parseWindow(spans, zone)], utc(from));
  return ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16);
}

describe('an install window', () => {
  // 2026-03-02 is a Monday.
  it.each([
    ['open now', 'Mon-Fri 02:00-05:00', 'UTC', '2026-03-02T04:59', '2026-03-02T04:59'],
    ['closed at its end', 'Mon-Fri 02:00-05:00', 'UTC', '2026-03-02T05:00', '2026-03-03T02:00'],
    ['over the weekend', 'Mon-Fri 02:00-05:00', 'UTC', '2026-03-06T06:00', '2026-03-09T02:00'],
    ['past midnight', 'Mon 22:00-04:00', 'UTC', '2026-03-03T03:30', '2026-03-03T03:30'],
    ['past midnight, over', 'Mon 22:00-04:00', 'UTC', '2026-03-03T04:00', '2026-03-09T22:00'],
    ['days that wrap', 'Sat-Mon 01:00-02:00', 'UTC', '2026-03-03T00:00', '2026-03-07T01:00'],
    [
      'of several the next',
      'Sun 10:00-11:00; Wed 09:00-09:30',
      'UTC',
      '2026-03-02T00:00',
      '2026-03-04T09:00',
    ],
    ['every day', '23:00-24:00', 'UTC', '2026-03-02T00:00', '2026-03-02T23:00'],
    ['another zone', '02:00-05:00', 'America/New_York', '2026-03-02T00:00', '2026-03-02T07:00'],
    [
      'after the clocks went forward',
      '02:00-05:00',
      'America/New_York',
      '2026-03-09T00:00',
      '2026-03-09T06:00',
    ],
    [
      'a night without its start',
      '02:30-05:00',
      'Europe/Berlin',
      '2026-03-29T00:00',
      '2026-03-29T01:30',
    ],
    [
      'a night with its start twice',
      '02:30-02:45',
      'Europe/Berlin',
      '2026-10-25T00:00',
      '2026-10-25T00:30',
    ],
  ])('%s', (_name, spans, zone, from, expected) => {
    expect(opens(spans, zone, from)).toBe(expected);
  });

  it('meets another, or says that it never does', () => {
    const night = parseWindow('22:00-04:00', 'UTC');
    const monday = parseWindow('Mon 00:00-24:00', 'UTC');
    const noon = parseWindow('12:00-13:00', 'UTC');
    const from = utc('2026-03-03T05:00');
    expect(nextOpenMs([night, monday], from)).toBe(utc('2026-03-09T00:00'));
    expect(nextOpenMs([night, noon], from)).toBeUndefined();
    expect(nextOpenMs([], from)).toBe(from);
  });

  it.each([
    '',
    'Mon',
    '25:00-26:00',
    '02:00-02:00',
    '02:60-03:00',
    'Mo 02:00-03:00',
    'Mon-Fri',
    '2:00-3:00',
  ])('refuses %j, and says what is expected', (text) => {
    expect(() => parseWindow(text, 'UTC')).toThrow(/expected/);
  });

  it('refuses a zone that is none', () => {
    expect(() => parseZone('Mars/Olympus')).toThrow(/Europe\/Berlin/);
  });
});
