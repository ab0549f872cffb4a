/** A moment as a tar header has it, from 1970-01-01T00:00:00Z. */
export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A PAX time: seconds, with a fraction of which nine digits count. Undefined when it is none. */
export function parsePaxTime(text: string): TarTime | undefined {
  const match = /^([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) return undefined;
  const fraction = (match[2] ?? '').slice(0, 9).padEnd(9, '0');
  return { seconds: Number(match[1]), nanoseconds: Number(fraction) };
}

/** RFC 3339 with as many digits of a fraction as it takes, in UTC, as Go writes it. */
export function formatTime(time: TarTime | undefined): string | undefined {
  if (time === undefined) return undefined;
  const whole = new Date(time.seconds * 1000).toISOString().replace(/\.000Z$/, '');
  const fraction = time.nanoseconds.toString().padStart(9, '0').replace(/0+$/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`}Z`;
}
