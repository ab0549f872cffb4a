import { stat } from 'node:fs/promises';

import { ServerError } from '../../errors.ts';
import type { ImageSource } from './image-source.ts';
import { MadeImage, tarStream } from './made-image.ts';
import { openLayer } from '../../../storage/chunk/layer-stream.ts';
import { Readable } from 'node:stream';

/** Bytes of the largest root file system that is taken. */
const MAX_ROOTFS_BYTES = 64 * 1024 ** 3;

/** Makes a one-layer image of a root file system's tar (plain, gzip or zstd). */
export async function openRootfs(path: string, platform: string): Promise<ImageSource> {
  try {
    await stat(path);
  } catch (cause) {
    throw new ServerError('not_found', `cannot read ${path}: ${String(cause)}`, { cause });
  }
  const [os, architecture, variant] = platform.split('/');
  const made = await MadeImage.begin();
  try {
    const tar = openLayer(tarStream(path), { maxRawBytes: MAX_ROOTFS_BYTES });
    await made.addLayer(Readable.from(tar));
    const config = {
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: {},
      rootfs: { type: 'layers', diff_ids: made.diffIds },
    };
    return await made.finish(Buffer.from(JSON.stringify(config)));
  } catch (error) {
    await made.discard();
    throw error;
  }
}
