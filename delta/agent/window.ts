/** When a release may be activated: times of the week in a time zone. */
export interface InstallWindow {
  /** As it was written. */
  readonly text: string;
  /** An IANA name. */
  readonly zone: string;
  readonly spans: readonly Span[];
  /** Shows an instant's time in the zone: dear to make. */
  readonly format: Intl.DateTimeFormat;
}

interface Span {
  /** Days on which it begins, 0 is Sunday. */
  readonly days: ReadonlySet<number>;
  /** Minutes of the day; an end that is not after the start lies on the next day. */
  readonly start: number;
  readonly end: number;
}

interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly date: number;
  readonly weekday: number;
  /** Of the day. */
  readonly minute: number;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const SPAN = /^(?:([A-Za-z,-]+) )?(\d{2}):([0-5]\d)-(\d{2}):([0-5]\d)$/;
const MAX_SPANS = 32;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Windows of the week that have not met so long never will. */
const MAX_WAIT_MS = 35 * DAY_MS;

/**
 * Reads `Mon-Fri 02:00-05:00; Sat,Sun 22:00-06:00`; without days it is every day. A span whose end is
 * not after its start ends on the next day. Throws a message that says what is expected.
 */
export function parseWindow(text: string, zone: string): InstallWindow {
  const parts = text.split(';').map((part) => part.trim());
  if (parts.length > MAX_SPANS) throw new Error(`expected at most ${MAX_SPANS} spans`);
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: parseZone(zone),
    calendar: 'gregory',
    hourCycle: 'h23',
    weekday: 'short',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' },
  });
  return { text, zone, spans: parts.map(parseSpan), format };
}

/** An IANA time zone that this machine knows. */
export function parseZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: text }).resolvedOptions().timeZone;
  } catch (cause) {
    throw new Error(
      `expected a time zone such as Europe/Berlin or UTC, not ${JSON.stringify(text.slice(0, 64))}`,
      { cause },
    );
  }
}

/** The zone that this machine is set to. */
export function machineZone(): string {
  return new Intl.DateTimeFormat('en-US').resolvedOptions().timeZone;
}

/** The first time from `nowMs` on at which all windows are open; undefined when they never meet. */
export function nextOpenMs(windows: readonly InstallWindow[], nowMs: number): number | undefined {
  let atMs = nowMs;
  while (atMs < nowMs + MAX_WAIT_MS) {
    const closed = windows.find((window) => !isOpen(window, atMs));
    if (closed === undefined) return atMs;
    const nextMs = nextStartMs(closed, atMs);
    if (nextMs === undefined) return undefined;
    atMs = nextMs;
  }
  return undefined;
}

function isOpen(window: InstallWindow, atMs: number): boolean {
  const { weekday, minute } = localTime(window, atMs);
  return window.spans.some(({ days, start, end }) => {
    if (end > start) return days.has(weekday) && minute >= start && minute < end;
    return (days.has(weekday) && minute >= start) || (days.has((weekday + 6) % 7) && minute < end);
  });
}

/** When the window opens next after a time at which it is closed. */
function nextStartMs(window: InstallWindow, atMs: number): number | undefined {
  const { year, month, date, weekday } = localTime(window, atMs);
  for (let day = 0; day <= 8; day += 1) {
    const starts = window.spans
      .filter(({ days }) => days.has((weekday + day) % 7))
      .map(({ start }) => instantOf(window, Date.UTC(year, month - 1, date + day, 0, start)))
      .filter((startMs) => startMs > atMs && isOpen(window, startMs));
    if (starts.length > 0) return Math.min(...starts);
  }
  return undefined;
}

/**
 * The first instant at which clocks of the zone show a time; one that a spring night leaves out is taken
 * as far after the gap.
 */
function instantOf(window: InstallWindow, shownMs: number): number {
  const before = offsetMs(window, shownMs - DAY_MS);
  const after = offsetMs(window, shownMs + DAY_MS);
  const instants = [before, after].map((offset) => shownMs - offset).sort((a, b) => a - b);
  return instants.find((ms) => ms + offsetMs(window, ms) === shownMs) ?? shownMs - before;
}

function offsetMs(window: InstallWindow, atMs: number): number {
  const { year, month, date, minute } = localTime(window, atMs);
  return Date.UTC(year, month - 1, date, 0, minute) - Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
}

function localTime({ format }: InstallWindow, atMs: number): LocalTime {
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  return {
    year: number('year'),
    month: number('month'),
    date: number('day'),
    weekday: DAYS.indexOf(parts.get('weekday') ?? ''),
    minute: number('hour') * 60 + number('minute'),
  };
}

function parseSpan(text: string): Span {
  const [, days, startHour, startMinute, endHour, endMinute] = SPAN.exec(text) ?? [];
  const start = Number(startHour) * 60 + Number(startMinute);
  const end = Number(endHour) * 60 + Number(endMinute);
  if (!(start < DAY_MS / MINUTE_MS && end <= DAY_MS / MINUTE_MS && start !== end)) {
    throw new Error(
      `expected a window such as "Mon-Fri 02:00-05:00; Sat,Sun 22:00-06:00", not ${JSON.stringify(text.slice(0, 100))}`,
    );
  }
  return { days: new Set(days === undefined ? [...DAYS.keys()] : parseDays(days)), start, end };
}

function parseDays(text: string): readonly number[] {
  return text.split(',').flatMap((part) => {
    const [from = -1, to = from, ...rest] = part.split('-').map((name) => DAYS.indexOf(name));
    if (from < 0 || to < 0 || rest.length > 0) {
      throw new Error(`expected days such as Mon-Fri or Sat,Sun, not ${JSON.stringify(text)}`);
    }
    return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => (from + i) % 7);
  });
}
