import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

import type { DiskModel } from './disk-model.ts';
import type { Gate } from './gate.ts';
import type { Node } from './tree.ts';

const { promises, constants } = fs;

/** What the model knows of an open file or folder. */
interface Opened {
  readonly node: Node;
  readonly append: boolean;
  /** Where the next write without a place goes. */
  position: number;
}

/** Makes `open` and what a handle can do pass the gate and be known to the model. */
export async function patchFiles(model: DiskModel, gate: Gate): Promise<void> {
  const { open } = promises;
  const opened = new WeakMap<FileHandle, Opened>();

  promises.open = async (path, flags, mode) => {
    if (typeof path !== 'string' || !model.covers(path)) return open(path, flags, mode);
    const bits = flagBits(flags ?? 'r');
    const note = (handle: FileHandle, node: Node | undefined): FileHandle => {
      const append = (bits & constants.O_APPEND) !== 0;
      if (node !== undefined) opened.set(handle, { node, append, position: 0 });
      return handle;
    };
    if ((bits & (constants.O_WRONLY | constants.O_RDWR)) === 0) {
      return note(await open(path, flags, mode), model.find(path));
    }
    const kind = model.file(path) === undefined ? 'grow' : 'change';
    return gate.step(kind, async () => {
      const handle = await open(path, flags, mode);
      const there = model.file(path);
      const file = there ?? model.create(path, (await handle.stat()).mode & 0o777);
      if (there !== undefined && (bits & constants.O_TRUNC) !== 0) model.truncate(file, 0);
      return note(handle, file);
    });
  };

  await patchHandles(model, gate, opened);
}

/** A method of a handle as it is called: what it takes is for the original to check. */
type Method = (this: FileHandle, ...args: unknown[]) => Promise<unknown>;

async function patchHandles(
  model: DiskModel,
  gate: Gate,
  opened: WeakMap<FileHandle, Opened>,
): Promise<void> {
  const sample = await promises.open(process.execPath, 'r');
  const prototype: object = Reflect.getPrototypeOf(sample) ?? {};
  await sample.close();

  /** Replaces a method for handles of what the model knows; others keep the original. */
  const replace = (
    name: string,
    kind: 'grow' | 'change',
    note: (known: Opened, args: readonly unknown[], result: unknown) => void,
  ): void => {
    const original = Reflect.get(prototype, name) as Method;
    const method: Method = function (...args) {
      const known = opened.get(this);
      if (known === undefined) return original.apply(this, args);
      return gate.step(kind, async () => {
        const result = await original.apply(this, args);
        note(known, args, result);
        return result;
      });
    };
    Reflect.set(prototype, name, method);
  };
  const write = (known: Opened, bytes: Buffer, place: number | undefined): void => {
    const { node, append } = known;
    if (node.kind !== 'file') return;
    model.write(node, append ? node.size : (place ?? known.position), bytes);
    if (place === undefined) known.position += bytes.length;
  };
  const noteAll = (known: Opened, [data]: readonly unknown[]): void => {
    write(known, Buffer.from(data as Uint8Array), undefined);
  };
  const noteSync = (known: Opened): void => {
    model.sync(known.node);
  };
  replace('writeFile', 'grow', noteAll);
  replace('appendFile', 'grow', noteAll);
  replace('write', 'grow', (known, [bytes, offset = 0, , place], result) => {
    const { bytesWritten } = result as { readonly bytesWritten: number };
    const { buffer, byteOffset } = bytes as Uint8Array;
    const start = byteOffset + (offset as number);
    const written = Buffer.from(buffer as ArrayBuffer, start, bytesWritten);
    write(known, written, typeof place === 'number' ? place : undefined);
  });
  replace('truncate', 'change', ({ node }, [size = 0]) => {
    if (node.kind === 'file') model.truncate(node, size as number);
  });
  replace('sync', 'change', noteSync);
  replace('datasync', 'change', noteSync);
  replace('chmod', 'change', ({ node }, [mode]) => {
    if (node.kind === 'file') node.mode = (mode as number) & 0o777;
  });
}

function flagBits(flags: string | number): number {
  if (typeof flags === 'number') return flags;
  const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants;
  const write = flags.includes('+') ? O_RDWR : O_WRONLY;
  switch (flags[0]) {
    case 'w':
      return write | O_CREAT | O_TRUNC;
    case 'a':
      return write | O_CREAT | O_APPEND;
    default:
      return flags.includes('+') ? O_RDWR : O_RDONLY;
  }
}
