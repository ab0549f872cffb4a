/** Longer heads are left to `node:http`. */
export const MAX_PLAIN_BYTES = 4096;

/** A whole GET (RFC 9112, 3 to 5): origin-form target without query or escapes, no obsolete folding. */
const HEAD =
  /^GET (\/v[12]\/[A-Za-z0-9._:/-]{1,512}) HTTP\/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+)\r\n$/;

const HOST = /^[A-Za-z0-9._:[\]-]{1,255}$/;

/** Fields that may change the answer, the connection, or where the request ends. */
const NOT_PLAIN = new Set([
  'authorization',
  'expect',
  'http2-settings',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);
const NOT_PLAIN_PREFIXES = ['if-', 'content-', 'proxy-'];

/**
 * The target of a request that is nothing but "give me this, whole": the bytes of one HTTP/1.1 GET,
 * from the first to the last, with no field that could ask for more. Undefined for anything else,
 * right or wrong: `node:http` is then to judge it.
 */
export function plainTarget(head: string): string | undefined {
  const match = HEAD.exec(head);
  if (match === null) return undefined;
  let hosts = 0;
  for (const line of (match[2] ?? '').split('\r\n')) {
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (name === 'host') {
      if (!HOST.test(line.slice(colon + 1).trim())) return undefined;
      hosts += 1;
    } else if (name === 'connection') {
      if (
        line
          .slice(colon + 1)
          .trim()
          .toLowerCase() !== 'keep-alive'
      )
        return undefined;
    } else if (NOT_PLAIN.has(name) || NOT_PLAIN_PREFIXES.some((start) => name.startsWith(start))) {
      return undefined;
    }
  }
  return hosts === 1 ? match[1] : undefined;
}
