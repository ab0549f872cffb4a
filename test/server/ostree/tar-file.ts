const BLOCK = 512;

/** An entry of a tar to be made. */
export interface TarSpec {
  readonly name: string;
  /** The type's byte; a file by default. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly link?: string;
  readonly data?: Buffer | string;
  /** Records of a PAX header before it. */
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar (ustar, with PAX headers where asked) of the entries, as it should be or not. */
export function makeTar(specs: readonly TarSpec[]): Buffer {
  const parts = specs.flatMap(({ pax, ...spec }) => [
    ...(pax === undefined ? [] : entry({ name: 'pax', type: 'x', data: records(pax) })),
    ...entry(spec),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function entry(spec: TarSpec): readonly Buffer[] {
  const data = Buffer.from(spec.data ?? '');
  const block = Buffer.alloc(BLOCK);
  block.write(spec.name, 0, 100);
  octal(block, 100, 8, spec.mode ?? 0o644);
  octal(block, 108, 8, spec.uid ?? 0);
  octal(block, 116, 8, spec.gid ?? 0);
  octal(block, 124, 12, data.length);
  octal(block, 136, 12, 1);
  block.write(spec.type ?? '0', 156, 1, 'latin1');
  block.write(spec.link ?? '', 157, 100);
  block.write('ustar\0' + '00', 257, 8, 'latin1');
  block.fill(' ', 148, 156);
  octal(
    block,
    148,
    8,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return [block, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
}

function octal(block: Buffer, at: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
}

function records(pax: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(pax).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest;
    while (rest + length.toString().length !== length) length = rest + length.toString().length;
    return `${length} ${key}=${value}\n`;
  });
  return Buffer.from(lines.join(''));
}
