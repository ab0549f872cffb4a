/** An IPv4 address as IPv6 writes it (RFC 4291, 2.5.5.2), as Node shows it on dual-stack sockets. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * What one party can hardly have many of: an IPv4 address, or the first 64 bits of an IPv6 address,
 * since whoever has one address of a /64 has all.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [text = ''] = address.split('%', 1);
  const gap = text.indexOf('::');
  const head = (gap === -1 ? text : text.slice(0, gap)).split(':').filter(Boolean);
  const tail =
    gap === -1
      ? []
      : text
          .slice(gap + 2)
          .split(':')
          .filter(Boolean);
  // A last part in dotted form stands for two.
  const count = head.length + tail.length + (text.includes('.') ? 1 : 0);
  const zeros = gap === -1 ? [] : Array.from({ length: Math.max(0, 8 - count) }, () => '0');
  const parts = [...head, ...zeros, ...tail].slice(0, 4);
  return parts.map((part) => Number.parseInt(part, 16).toString(16)).join(':');
}
