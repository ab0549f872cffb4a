import { join, relative, sep } from 'node:path';

import type { Random } from '../../fuzz/random.ts';
import { applyChanges, remainingChanges } from './file-changes.ts';
import {
  readTree,
  writeTree,
  type FileNode,
  type FolderNode,
  type NameChange,
  type Node,
} from './tree.ts';

/** What a power cut took, for the report. */
export interface CutLoss {
  /** Writes and truncations that no fsync had covered, and how many of them did not survive whole. */
  readonly unsyncedWrites: number;
  readonly lostWrites: number;
  /** The same of creations, renames, links and removals. */
  readonly unsyncedNames: number;
  readonly lostNames: number;
}

/**
 * A folder as a disk sees it: what fsync has covered and what it has not. A power cut keeps the first
 * and any part of the second, in any order: each write whole, torn or not at all, each change of names
 * whole or not at all. A file's fsync covers its bytes and not its name, a folder's covers its names.
 */
export class DiskModel {
  readonly #path: string;
  readonly #root: FolderNode;
  #names: NameChange[] = [];
  readonly #dirty = new Set<FileNode>();
  #writtenBytes = 0;

  /** What is in the folder now counts as durable. */
  constructor(path: string) {
    this.#path = path;
    this.#root = readTree(path);
  }

  /** Bytes of all writes. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Whether a path lies in the folder. */
  covers(path: string): boolean {
    return path === this.#path || path.startsWith(this.#path + sep);
  }

  /** The node at a path; undefined when there is none. No symbolic link is followed. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of steps(this.#path, path)) {
      node = node?.kind === 'folder' ? node.names.get(name) : undefined;
    }
    return node;
  }

  file(path: string): FileNode | undefined {
    const node = this.find(path);
    return node?.kind === 'file' ? node : undefined;
  }

  create(path: string, mode: number): FileNode {
    const file: FileNode = { kind: 'file', mode, size: 0, durable: Buffer.alloc(0), unsynced: [] };
    this.put(path, file);
    return file;
  }

  makeFolder(path: string): void {
    this.put(path, { kind: 'folder', names: new Map(), durable: new Map() });
  }

  /** Takes a name and, one by one, all below it. */
  remove(path: string): void {
    const node = this.find(path);
    if (node === undefined) return;
    if (node.kind === 'folder') for (const name of node.names.keys()) this.remove(join(path, name));
    this.put(path, undefined);
  }

  /** Gives a name to a node, or takes it with undefined. */
  put(path: string, node: Node | undefined): void {
    this.#change([{ ...this.#place(path), node }]);
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    this.#change([
      { ...this.#place(from), node: undefined },
      { ...this.#place(to), node },
    ]);
  }

  write(file: FileNode, at: number, bytes: Uint8Array): void {
    this.#writtenBytes += bytes.length;
    file.unsynced.push({ kind: 'write', at, bytes: Buffer.from(bytes) });
    file.size = Math.max(file.size, at + bytes.length);
    this.#dirty.add(file);
  }

  truncate(file: FileNode, size: number): void {
    file.unsynced.push({ kind: 'truncate', size });
    file.size = size;
    this.#dirty.add(file);
  }

  /** fsync of a file or a folder. */
  sync(node: Node): void {
    if (node.kind === 'file') {
      node.durable = applyChanges(node.durable, node.unsynced);
      node.unsynced = [];
      this.#dirty.delete(node);
    }
    if (node.kind === 'folder') {
      const covered = (change: NameChange): boolean =>
        change.parts.some(({ folder }) => folder === node);
      for (const change of this.#names.filter(covered)) makeDurable(change);
      this.#names = this.#names.filter((change) => !covered(change));
    }
  }

  /** Cuts the power: the real folder becomes what a disk may show afterwards. */
  cut(random: Random): CutLoss {
    // Nothing, all or some: the ends are the likeliest in practice and the middle finds the most.
    const keep = random.pick([0, 50, 90, 100]);
    const kept = this.#names.filter(() => random.below(100) < keep);
    for (const change of kept) makeDurable(change);
    let [unsyncedWrites, lostWrites] = [0, 0];
    const bytes = new Map<FileNode, Buffer>();
    for (const file of this.#dirty) {
      const left = remainingChanges(file.unsynced, keep, random);
      unsyncedWrites += file.unsynced.length;
      lostWrites += file.unsynced.filter((change) => !left.includes(change)).length;
      bytes.set(file, applyChanges(file.durable, left));
    }
    writeTree(this.#path, this.#root, {
      names: (folder) => folder.durable,
      bytes: (file) => bytes.get(file) ?? file.durable,
    });
    const unsyncedNames = this.#names.length;
    return { unsyncedWrites, lostWrites, unsyncedNames, lostNames: unsyncedNames - kept.length };
  }

  #place(path: string): { folder: FolderNode; name: string } {
    const names = steps(this.#path, path);
    const name = names.pop();
    let folder: Node | undefined = this.#root;
    for (const step of names) {
      folder = folder?.kind === 'folder' ? folder.names.get(step) : undefined;
    }
    if (name === undefined || folder?.kind !== 'folder') {
      throw new Error(`the disk model knows no folder for ${path}`);
    }
    return { folder, name };
  }

  #change(parts: NameChange['parts']): void {
    for (const { folder, name, node } of parts) setName(folder.names, name, node);
    this.#names.push({ parts });
  }
}

function makeDurable(change: NameChange): void {
  for (const { folder, name, node } of change.parts) setName(folder.durable, name, node);
}

function setName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

function steps(root: string, path: string): string[] {
  return relative(root, path)
    .split(sep)
    .filter((name) => name !== '');
}
