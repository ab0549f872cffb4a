import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeTar, type LayerFile } from '../../bench/demo/tar-writer.ts';
import { writeRelease, type WrittenImage } from '../../bench/demo/release.ts';
import { PLATFORMS } from '../../bench/demo/content.ts';

/** Bytes that look random and are the same in every run. */
export function seededBytes(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let made = 0, counter = 0; made < size; made += 32, counter += 1) {
    parts.push(createHash('sha256').update(`${seed} ${counter}`).digest());
  }
  return Buffer.concat(parts).subarray(0, size);
}

/**
 * Writes a small multi-arch release: a layer that stays, a tree whose file `changed` holds
 * `version`, and a program per architecture that differs in a few bytes from version to version.
 */
export async function writeSmallRelease(
  dir: string,
  tag: string,
  version: number,
): Promise<readonly WrittenImage[]> {
  const base = writeTar([file('etc/base', seededBytes('base', 40_000))]);
  const many = Array.from({ length: 50 }, (_, number) =>
    file(`app/file-${number}.txt`, Buffer.from(`file ${number}\n`.repeat(number + 1))),
  );
  const tree = writeTar([...many, file('app/changed', Buffer.from(`version ${version}\n`))]);
  return writeRelease(
    dir,
    tag,
    PLATFORMS.map((platform) => ({
      platform,
      layers: [
        { what: 'base', tar: base },
        { what: 'tree', tar: tree },
        { what: 'program', tar: writeTar([program(platform.architecture, version)]) },
      ],
    })),
  );
}

function program(architecture: string, version: number): LayerFile {
  const bytes = Buffer.from(seededBytes(architecture, 300_000));
  for (let at = 1000; at < bytes.length; at += 5003) bytes.writeUInt32LE(version * 7919 + at, at);
  return { path: 'usr/bin/program', mode: 0o755, bytes };
}

function file(path: string, bytes: Buffer): LayerFile {
  return { path, mode: 0o644, bytes };
}

/** Writes a docker-archive, as `docker save` makes it, of one image with the given layer tars. */
export async function writeDockerArchive(path: string, layers: readonly Buffer[]): Promise<void> {
  const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((tar) => `sha256:${sha256(tar)}`) },
    }),
  );
  const names = layers.map((tar) => `${sha256(tar)}/layer.tar`);
  const manifest = Buffer.from(
    JSON.stringify([{ Config: `${sha256(config)}.json`, RepoTags: ['a:b'], Layers: names }]),
  );
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(
    path,
    writeTar([
      file(`${sha256(config)}.json`, config),
      ...layers.map((tar, number) => file(names[number] ?? '', tar)),
      file('manifest.json', manifest),
    ]),
  );
}
