/** Seconds since 1970 in an HTTP date; undefined when it is none. libostree ends its own with "UTC". */
export function parseHttpDate(text: string): number | undefined {
  const match =
    /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) (?:GMT|UTC)$/.exec(
      text.trim(),
    );
  if (match === null) return undefined;
  const [, day = '', month = '', year = '', time = ''] = match;
  const ms = Date.parse(`${day} ${month} ${year} ${time} GMT`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), the fraction of the second cut off. */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}
