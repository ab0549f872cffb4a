import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

import type { TarFile } from '../../ostree/from-tar/tar-entries.ts';
import { DeviceError } from '../errors.ts';
import type { SlotImage } from '../slot.ts';
import { openDevice, openForReading } from './block-device.ts';
import { takeSingleFile } from './single-file.ts';
import type { TargetSpec } from './spec.ts';
import { linkTarget, removeLink, switchLink } from './switch-link.ts';
import type { Target, TargetEnv } from './target.ts';

const READ_BYTES = 1 << 18;

/**
 * A release's one file, a disk image, on one of two devices: slot a's on the first, slot b's on the
 * second, so that the one whose release runs is never written. `link`, where there is one, points to
 * the device that runs; without it a hook tells the boot loader.
 */
export function abTarget(spec: Extract<TargetSpec, { kind: 'ab' }>, env: TargetEnv): Target {
  return {
    prepare: (release) => fill(spec, release, env.signal),
    activate: async (release) => {
      if (spec.link !== undefined) await switchLink(spec.link, spec[release.slot]);
    },
    leave: async () => {
      if (spec.link !== undefined) await removeLink(spec.link);
    },
    prune: () => Promise.resolve(),
  };
}

async function fill(
  spec: Extract<TargetSpec, { kind: 'ab' }>,
  release: SlotImage,
  signal: AbortSignal,
): Promise<void> {
  const path = spec[release.slot];
  // The link was switched by a try that was cut off: it runs perhaps, and is only looked at.
  const runs = spec.link !== undefined && (await linkTarget(spec.link)) === path;
  const device = runs ? await openForReading(path) : await openDevice(path);
  try {
    await takeSingleFile(release, signal, async (entry) => {
      if (entry.size > device.size) {
        throw new DeviceError(
          'too_large',
          `the image has ${entry.size} bytes, ${path} holds ${device.size}`,
        );
      }
      await writeAndCheck(device.file, path, entry, !runs);
    });
  } finally {
    await device.file.close();
  }
}

/**
 * Writes what differs, so that a try that was cut off goes on where it was and flash wears less, makes
 * it durable, and reads it all back.
 */
async function writeAndCheck(
  file: FileHandle,
  path: string,
  entry: TarFile,
  mayWrite: boolean,
): Promise<void> {
  const wanted = createHash('sha256');
  let at = 0;
  for await (const bytes of entry.content) {
    wanted.update(bytes);
    if (!(await readAt(file, at, bytes.length)).equals(bytes)) {
      if (!mayWrite) {
        throw new DeviceError('io', `${path} runs and is not what it should be; it stays as it is`);
      }
      await writeAt(file, at, bytes);
    }
    at += bytes.length;
  }
  if (mayWrite) await file.sync();
  const held = createHash('sha256');
  for (let done = 0; done < at; done += READ_BYTES) {
    held.update(await readAt(file, done, Math.min(READ_BYTES, at - done)));
  }
  if (held.digest('hex') !== wanted.digest('hex')) {
    throw new DeviceError('io', `${path} gives back other bytes than were written; is it failing?`);
  }
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

async function writeAt(file: FileHandle, at: number, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}
