import { walkTar } from '../delta/tree/walk.ts';
import { BufferAccess } from '../storage/random-access.ts';
import type { LayerFile } from './demo/tar-writer.ts';

const MODE_FIELD = { start: 100, end: 107 } as const;
const REGULAR = ['0', '\0'];

/** The regular files of a tar held in memory. */
export async function readTarFiles(tar: Buffer): Promise<LayerFile[]> {
  const map = await walkTar(new BufferAccess(tar));
  if (map === undefined) throw new Error('not a tar');
  return map.entries
    .filter(({ type }) => REGULAR.includes(type))
    .map(({ name, payloadStart, payloadBytes }) => {
      const header = tar.subarray(payloadStart - 512, payloadStart);
      const mode = header.subarray(MODE_FIELD.start, MODE_FIELD.end).toString('latin1');
      return {
        path: name.toString('utf8'),
        mode: Number.parseInt(mode, 8),
        bytes: tar.subarray(payloadStart, payloadStart + payloadBytes),
      };
    });
}
