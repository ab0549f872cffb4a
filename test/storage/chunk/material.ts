import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/** Reproducible bytes that do not compress. */
export function noise(length: number, seed: string): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 64 < length; i++) {
    parts.push(createHash('sha512').update(`${seed}:${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Reproducible lines of text, which compress about as program sources do. */
export function text(lines: number, seed: string): Buffer {
  const words = ['const', 'export', 'value', 'return', 'index', 'await', 'buffer', 'length'];
  const bytes = noise(lines * 6, seed);
  let out = '';
  for (let i = 0; i < lines; i++) {
    out += `${i} `;
    for (let j = 0; j < 6; j++) out += `${words[(bytes[i * 6 + j] ?? 0) % words.length] ?? ''} `;
    out += '\n';
  }
  return Buffer.from(out);
}

/** A ustar archive of regular files. */
export function tar(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write('0000644\0' + '0000000\0' + '0000000\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0        0', 136);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** The bytes in pieces of the given sizes, over and over. */
export function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}

export function readable(bytes: Buffer, sizes: readonly number[] = [65_536]): Readable {
  return Readable.from(pieces(bytes, sizes));
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * True if the program can be run. A missing one is a printed skip on a user's machine and an error
 * under `CI=true`.
 */
export function hasTool(name: string): boolean {
  if (spawnSync(name, ['--version']).error === undefined) return true;
  if (process.env['CI'] === 'true') throw new Error(`${name} is not installed`);
  console.warn(`skipped: ${name} is not installed`);
  return false;
}

/** Feeds bytes through a program and returns its output. */
export function run(name: string, args: readonly string[], input: Buffer): Buffer {
  const done = spawnSync(name, args, { input, maxBuffer: 2 ** 30 });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) throw new Error(`${name}: ${done.stderr.toString()}`);
  return done.stdout;
}
