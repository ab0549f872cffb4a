/** One entry of a test's tar; what is left out is root's, of mode 0644 or 0755. */
export interface Entry {
  readonly name: string | Buffer;
  /** `0` file, `1` hard link, `2` symlink, `3` device, `5` folder. */
  readonly type?: string;
  readonly bytes?: Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly mtime?: number;
  /** PAX records before it. */
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar (POSIX.1-1988 headers, PAX records) of any entries, unsafe ones too. */
export function tarOfEntries(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const { pax } = entry;
    if (pax !== undefined) {
      const records = Object.entries(pax).map(([key, value]) => paxRecord(key, value));
      parts.push(...one({ name: 'pax', type: 'x', bytes: Buffer.concat(records) }));
    }
    parts.push(...one(entry));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function one(entry: Entry): readonly Buffer[] {
  const { type = '0', bytes = Buffer.alloc(0), link = '', uid = 0, mtime = 0 } = entry;
  const header = Buffer.alloc(512);
  Buffer.from(entry.name).copy(header, 0);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  };
  octal(entry.mode ?? (type === '5' ? 0o755 : 0o644), 100, 7);
  octal(uid, 108, 7);
  octal(uid, 116, 7);
  octal(bytes.length, 124, 11);
  octal(mtime, 136, 11);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
}

function paxRecord(key: string, value: string): Buffer {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (`${length}${body}`.length !== length) length += 1;
  return Buffer.from(`${length}${body}`);
}
