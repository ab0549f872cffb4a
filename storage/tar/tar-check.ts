import { StorageError } from '../errors.ts';
import { TarWalk } from './tar-walk.ts';

/**
 * Passes a layer's tar on and refuses what must not be unpacked: throws `corrupt` when the first
 * block is not a tar header (no bytes at all are an empty layer, zeros the end of an empty tar), and
 * when an entry's name, or the target of a hard link, climbs out of the root by `..`.
 */
export async function* checkTar(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const walk = new TarWalk(({ header, name, linkName }) => {
    refuseClimbing(name, 'the entry');
    if (header.type === '1') refuseClimbing(linkName, 'the hard link to');
  });
  for await (const part of source) {
    walk.push(part);
    yield part;
  }
  walk.end();
}

function refuseClimbing(name: Buffer, what: string): void {
  const text = name.toString('latin1');
  if (!text.split('/').includes('..')) return;
  throw new StorageError(
    'corrupt',
    `an unsafe tar: ${what} ${JSON.stringify(text.slice(0, 200))} climbs out of the root by ".."`,
  );
}
