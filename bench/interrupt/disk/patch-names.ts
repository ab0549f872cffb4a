import fs from 'node:fs';
import { dirname } from 'node:path';

import type { DiskModel } from './disk-model.ts';
import type { Gate } from './gate.ts';

const { promises } = fs;

/** Makes the calls that change names pass the gate and be known to the model. */
export function patchNames(model: DiskModel, gate: Gate): void {
  const { rename, rm, unlink, link, symlink, mkdir } = promises;
  const inside = (path: unknown): path is string => typeof path === 'string' && model.covers(path);

  promises.rename = async (from, to) => {
    if (!inside(from) || !inside(to)) return rename(from, to);
    return gate.step('change', async () => {
      await rename(from, to);
      model.rename(from, to);
    });
  };
  promises.rm = async (path, options) => {
    if (!inside(path)) return rm(path, options);
    return gate.step('change', async () => {
      await rm(path, options);
      model.remove(path);
    });
  };
  promises.unlink = async (path) => {
    if (!inside(path)) return unlink(path);
    return gate.step('change', async () => {
      await unlink(path);
      model.remove(path);
    });
  };
  promises.link = async (from, to) => {
    if (!inside(from) || !inside(to)) return link(from, to);
    return gate.step('grow', async () => {
      await link(from, to);
      model.put(to, model.find(from));
    });
  };
  promises.symlink = async (target, path, type) => {
    if (!inside(path)) return symlink(target, path, type);
    return gate.step('grow', async () => {
      await symlink(target, path, type);
      model.put(path, { kind: 'link', target: String(target) });
    });
  };
  promises.mkdir = (async (path: string, options?: fs.MakeDirectoryOptions) => {
    if (!inside(path) || model.find(path) !== undefined) return mkdir(path, options);
    return gate.step('grow', async () => {
      const first = await mkdir(path, options);
      const missing: string[] = [];
      for (let at = path; model.find(at) === undefined; at = dirname(at)) missing.unshift(at);
      for (const folder of missing) model.makeFolder(folder);
      return first;
    });
  }) as typeof promises.mkdir;

  const { rmSync } = fs;
  fs.rmSync = (path, options) => {
    if (!inside(path) || gate.cutting) {
      rmSync(path, options);
      return;
    }
    gate.stepNow('change', () => {
      rmSync(path, options);
      model.remove(path);
    });
  };
}
