import type { RandomAccess } from '../../storage/random-access.ts';

const MAX_SECTIONS = 4096;
const MAX_NAMES_BYTES = 1024 * 1024;

/** Where fields stand in ELF headers of 32 and 64 bits (System V gABI, chapter 4). */
const LAYOUTS = {
  1: { header: 52, entry: 40, shoff: 32, shentsize: 46, offset: 16, size: 20, wide: false },
  2: { header: 64, entry: 64, shoff: 40, shentsize: 58, offset: 24, size: 32, wide: true },
} as const;

/** Names of an ELF file's sections by their number; empty when it is no little-endian ELF file. */
export async function readSectionNames(file: RandomAccess): Promise<readonly string[]> {
  if (file.size < 64) return [];
  const head = await file.read(0, 64);
  if (head.readUInt32BE(0) !== 0x7f454c46 || head[5] !== 1) return [];
  const layout = head[4] === 1 ? LAYOUTS[1] : head[4] === 2 ? LAYOUTS[2] : undefined;
  if (layout === undefined) return [];
  const read = (from: Buffer, at: number): number =>
    layout.wide ? Number(from.readBigUInt64LE(at)) : from.readUInt32LE(at);
  const count = head.readUInt16LE(layout.shentsize + 2);
  const namesAt = head.readUInt16LE(layout.shentsize + 4);
  const start = read(head, layout.shoff);
  const bytes = count * layout.entry;
  const isSane = head.readUInt16LE(layout.shentsize) === layout.entry && count <= MAX_SECTIONS;
  if (!isSane || namesAt >= count || start + bytes > file.size) return [];
  const table = await file.read(start, bytes);
  const offset = read(table, namesAt * layout.entry + layout.offset);
  const size = read(table, namesAt * layout.entry + layout.size);
  if (size > MAX_NAMES_BYTES || offset + size > file.size) return [];
  const names = (await file.read(offset, size)).toString('latin1');
  return Array.from({ length: count }, (_, n) => {
    const at = table.readUInt32LE(n * layout.entry);
    const end = names.indexOf('\0', at);
    return at < names.length && end >= 0 ? names.slice(at, end) : '';
  });
}
