import {
  chmodSync,
  lstatSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** A change of a file's bytes that no fsync has covered yet. */
export type FileChange =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

/** A file, whatever names it has. */
export interface FileNode {
  readonly kind: 'file';
  mode: number;
  /** Bytes that readers see. */
  size: number;
  /** Its bytes as the last fsync left them. */
  durable: Buffer;
  unsynced: FileChange[];
}

export interface LinkNode {
  readonly kind: 'link';
  readonly target: string;
}

/** A step that changes names: it happens whole or not at all, as in a file system with a journal. */
export interface NameChange {
  readonly parts: readonly {
    readonly folder: FolderNode;
    readonly name: string;
    /** What the name stands for from now on; undefined for nothing. */
    readonly node: Node | undefined;
  }[];
}

export interface FolderNode {
  readonly kind: 'folder';
  readonly names: Map<string, Node>;
  /** The names as the last fsync of the folder left them. */
  durable: Map<string, Node>;
}

export type Node = FileNode | LinkNode | FolderNode;

/** A folder as it lies on the disk, all of it taken as durable. Hard links share a node. */
export function readTree(
  path: string,
  inodes: Map<bigint, FileNode> = new Map<bigint, FileNode>(),
): FolderNode {
  const names = new Map<string, Node>();
  for (const name of readdirSync(path)) names.set(name, readNode(join(path, name), inodes));
  return { kind: 'folder', names, durable: new Map(names) };
}

function readNode(path: string, inodes: Map<bigint, FileNode>): Node {
  const stat = lstatSync(path, { bigint: true });
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) };
  if (stat.isDirectory()) return readTree(path, inodes);
  const known = inodes.get(stat.ino);
  if (known !== undefined) return known;
  const mode = Number(stat.mode & 0o777n);
  const durable = readFileSync(path);
  const file: FileNode = { kind: 'file', mode, size: durable.length, durable, unsynced: [] };
  inodes.set(stat.ino, file);
  return file;
}

/** What a power cut leaves: names and bytes, chosen elsewhere. */
export interface Remains {
  names(folder: FolderNode): ReadonlyMap<string, Node>;
  bytes(file: FileNode): Buffer;
}

/** Replaces what lies in a folder by what remains of it. Nodes with several names stay one file. */
export function writeTree(path: string, root: FolderNode, remains: Remains): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
  writeNames(path, root, remains, new Map());
}

function writeNames(
  path: string,
  folder: FolderNode,
  remains: Remains,
  written: Map<FileNode, string>,
): void {
  for (const [name, node] of remains.names(folder)) {
    const to = join(path, name);
    if (node.kind === 'link') symlinkSync(node.target, to);
    else if (node.kind === 'folder') {
      mkdirSync(to);
      writeNames(to, node, remains, written);
    } else {
      const first = written.get(node);
      if (first !== undefined) linkSync(first, to);
      else {
        writeFileSync(to, remains.bytes(node));
        chmodSync(to, node.mode);
        written.set(node, to);
      }
    }
  }
}
