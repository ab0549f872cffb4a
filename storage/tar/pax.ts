/** What of a PAX extended header (POSIX.1-2001, "pax Header Block") says where bytes lie and what they are called. */
export interface PaxRecords {
  readonly path?: Buffer | undefined;
  readonly linkPath?: Buffer | undefined;
  readonly size?: number | undefined;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;

/** A record of a PAX header; values are bytes. */
export interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
}

/** Parses what matters of `length key=value\n` records; undefined when they are broken. */
export function parsePax(bytes: Buffer): PaxRecords | undefined {
  let path: Buffer | undefined;
  let linkPath: Buffer | undefined;
  let size: number | undefined;
  const records = listPax(bytes);
  if (records === undefined) return undefined;
  for (const { key, value } of records) {
    if (key === 'path') path = value;
    if (key === 'linkpath') linkPath = value;
    if (key === 'size') {
      const text = value.toString('latin1');
      if (!/^[0-9]{1,15}$/.test(text)) return undefined;
      size = Number(text);
    }
  }
  return { path, linkPath, size };
}

/** All records in their order; undefined when one is broken. */
export function listPax(bytes: Buffer): readonly PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === 0) break;
    const space = bytes.indexOf(SPACE, at);
    const digits = space === -1 ? '' : bytes.toString('latin1', at, space);
    const length = /^[0-9]{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(EQUALS, space);
    if (length === 0 || end > bytes.length || bytes[end - 1] !== NEWLINE) return undefined;
    if (equals === -1 || equals >= end) return undefined;
    records.push({
      key: bytes.toString('latin1', space + 1, equals),
      value: bytes.subarray(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}
