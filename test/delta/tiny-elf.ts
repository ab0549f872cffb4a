import { random } from './support.ts';

const BASE = 0x400000;
const TEXT_AT = 0x1000;
const EM_X86_64 = 62;

/**
 * A program of x86-64 functions that call each other: ELF with one loaded segment and a .text section.
 * `grown` functions have some instructions more, so that most calls and addresses differ; `order` says how
 * they follow one another.
 */
export function tinyElf(
  functions: number,
  seed: number,
  grown: ReadonlySet<number>,
  order: readonly number[] = Array.from({ length: functions }, (_, n) => n),
): Buffer {
  const next = random(seed);
  const bodies = Array.from({ length: functions }, (_, n) => body(next, functions, grown.has(n)));
  const starts: number[] = [];
  let at = TEXT_AT;
  for (const n of order) {
    starts[n] = at;
    at += bodies[n]?.code.length ?? 0;
  }
  const text = Buffer.concat(
    order.map((n) => {
      const { code, calls } = bodies[n] ?? { code: Buffer.alloc(0), calls: [] };
      for (const { place, target } of calls) {
        code.writeInt32LE((starts[target] ?? 0) - ((starts[n] ?? 0) + place + 4), place);
      }
      return code;
    }),
  );
  return wrap(text);
}

/** Instructions `mov eax, imm32` and `call rel32`, then `ret`; calls are filled in later. */
function body(
  next: () => number,
  functions: number,
  isGrown: boolean,
): { readonly code: Buffer; readonly calls: { place: number; target: number }[] } {
  const parts: Buffer[] = [];
  const calls: { place: number; target: number }[] = [];
  const steps = 4 + (next() % 8);
  let length = 0;
  for (let step = 0; step < steps; step += 1) {
    const isCall = next() % 2 === 0;
    const part = Buffer.alloc(5, isCall ? 0xe8 : 0xb8);
    const value = next();
    if (isCall) calls.push({ place: length + 1, target: value % functions });
    else part.writeUInt32LE(value % 5000, 1);
    parts.push(part);
    length += part.length;
  }
  if (isGrown) parts.push(Buffer.alloc(3 * 4, '\x48\x89\xd8', 'latin1'));
  parts.push(Buffer.from([0xc3]));
  return { code: Buffer.concat(parts), calls };
}

/** ELF header, one PT_LOAD, the code at 0x1000, section names, three section headers. */
function wrap(text: Buffer): Buffer {
  const names = Buffer.from('\0.text\0.shstrtab\0');
  const namesAt = TEXT_AT + text.length;
  const sectionsAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const file = Buffer.alloc(sectionsAt + 3 * 64);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(EM_X86_64, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + TEXT_AT), 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(BigInt(sectionsAt), 40);
  [64, 56, 1, 64, 3, 2].forEach((value, n) => file.writeUInt16LE(value, 52 + 2 * n));
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  [0, BASE, BASE, namesAt, namesAt, 0x1000].forEach((value, n) =>
    file.writeBigUInt64LE(BigInt(value), 72 + 8 * n),
  );
  text.copy(file, TEXT_AT);
  names.copy(file, namesAt);
  section(file, sectionsAt + 64, { name: 1, type: 1, flags: 6, at: TEXT_AT, bytes: text.length });
  section(file, sectionsAt + 128, { name: 7, type: 3, flags: 0, at: namesAt, bytes: names.length });
  return file;
}

function section(
  file: Buffer,
  entry: number,
  {
    name,
    type,
    flags,
    at,
    bytes,
  }: {
    readonly name: number;
    readonly type: number;
    readonly flags: number;
    readonly at: number;
    readonly bytes: number;
  },
): void {
  file.writeUInt32LE(name, entry);
  file.writeUInt32LE(type, entry + 4);
  file.writeBigUInt64LE(BigInt(flags), entry + 8);
  file.writeBigUInt64LE(BigInt(flags === 0 ? 0 : BASE + at), entry + 16);
  file.writeBigUInt64LE(BigInt(at), entry + 24);
  file.writeBigUInt64LE(BigInt(bytes), entry + 32);
  file.writeBigUInt64LE(1n, entry + 48);
}
