import { DeltaError } from '../errors.ts';
import { checksumBytes, checksumFromBytes, type Checksum } from './objects/checksum.ts';

/** A static delta's name: the commit it begins with (none: from scratch) and the one it leads to. */
export interface DeltaName {
  readonly from: Checksum | undefined;
  readonly to: Checksum;
}

/** A file of a static delta: its superblock, or the part of that number. */
export interface DeltaFile {
  readonly delta: DeltaName;
  readonly file: 'superblock' | number;
}

/** The 43 characters by which paths name a commit: base64 with `_` for `/` and without padding. */
export function checksumToBase64(checksum: Checksum): string {
  return checksumBytes(checksum).toString('base64').replaceAll('/', '_').slice(0, 43);
}

/** Reads what {@link checksumToBase64} makes, and nothing else. Throws `bad_format`. */
export function checksumFromBase64(text: string): Checksum {
  if (/^[A-Za-z0-9+_]{43}$/.test(text)) {
    const bytes = Buffer.from(text.replaceAll('_', '/'), 'base64');
    const checksum = checksumFromBytes(bytes, 'a base64 name');
    // The last character holds two bits that mean nothing and must be zero.
    if (checksumToBase64(checksum) === text) return checksum;
  }
  throw notA('checksum in base64', text);
}

/** `deltas/F[0:2]/F[2:]-T`, or from scratch `deltas/T[0:2]/T[2:]`. */
export function deltaFolder({ from, to }: DeltaName): string {
  const last = checksumToBase64(to);
  return `deltas/${split(from === undefined ? last : `${checksumToBase64(from)}-${last}`)}`;
}

/** `<delta folder>/superblock` or `<delta folder>/<number>`. */
export function deltaPath({ delta, file }: DeltaFile): string {
  return `${deltaFolder(delta)}/${file}`;
}

/** Reads what {@link deltaPath} makes. Throws `bad_format`. */
export function parseDeltaPath(path: string): DeltaFile {
  const match = /^deltas\/([^/]{2})\/([^/]{41})(?:-([^/]{43}))?\/(superblock|0|[1-9]\d{0,6})$/.exec(
    path,
  );
  if (match === null) throw notA('path of a static delta', path);
  const [, two = '', rest = '', second, file = ''] = match;
  const first = checksumFromBase64(two + rest);
  return {
    delta:
      second === undefined
        ? { from: undefined, to: first }
        : { from: first, to: checksumFromBase64(second) },
    file: file === 'superblock' ? file : Number(file),
  };
}

/** `delta-indexes/T[0:2]/T[2:].index`: where clients look for the deltas that lead to a commit. */
export function deltaIndexPath(to: Checksum): string {
  return `delta-indexes/${split(checksumToBase64(to))}.index`;
}

/** Reads what {@link deltaIndexPath} makes. Throws `bad_format`. */
export function parseDeltaIndexPath(path: string): Checksum {
  const match = /^delta-indexes\/([^/]{2})\/([^/]{41})\.index$/.exec(path);
  if (match === null) throw notA('path of a delta index', path);
  return checksumFromBase64(`${match[1] ?? ''}${match[2] ?? ''}`);
}

function split(name: string): string {
  return `${name.slice(0, 2)}/${name.slice(2)}`;
}

function notA(form: string, text: string): DeltaError {
  return new DeltaError('bad_format', `not a ${form}: ${JSON.stringify(text.slice(0, 200))}`);
}
