/** A file for a layer; directories are made from the paths. */
export interface LayerFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
}

const BLOCK = 512;
/** As reproducible builds do: one time for every file, so that only real changes change the layer. */
const MTIME_SECONDS = 499_162_500;

/** Writes files, sorted by path, as a ustar archive (POSIX.1-1988) with the directories they need. */
export function writeTar(files: readonly LayerFile[]): Buffer {
  const parts: Buffer[] = [];
  const made = new Set<string>();
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const file of sorted) {
    for (const dir of parents(file.path)) {
      if (made.has(dir)) continue;
      made.add(dir);
      parts.push(header(`${dir}/`, 0o755, 0, '5'));
    }
    parts.push(header(file.path, file.mode, file.bytes.length, '0'), file.bytes);
    parts.push(Buffer.alloc((BLOCK - (file.bytes.length % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function parents(path: string): string[] {
  const steps = path.split('/').slice(0, -1);
  return steps.map((_, index) => steps.slice(0, index + 1).join('/'));
}

function header(path: string, mode: number, size: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = splitPath(path);
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(MTIME_SECONDS, 11), 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148, 'latin1');
  return block;
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\x00`;
}

function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const prefix = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== '') {
      return { name, prefix };
    }
  }
  throw new Error(`the path is too long for a ustar header: ${path}`);
}
