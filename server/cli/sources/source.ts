import { ServerError } from '../../errors.ts';
import { openDockerArchive } from './docker-archive.ts';
import type { ImageSource } from './image-source.ts';
import { openOciArchive } from './oci-archive.ts';
import { openOciLayout } from './oci-layout.ts';
import { openRootfs } from './rootfs.ts';
import { splitTag } from './split-tag.ts';

const FORMS = 'oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE or rootfs:TAR';

/** Opens what `rivulet push` was given. `platform` names the platform of a rootfs tar. */
export async function openSource(text: string, platform: string): Promise<ImageSource> {
  const colon = text.indexOf(':');
  const scheme = colon < 0 ? '' : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (rest === '') throw unknownSource(text);
  switch (scheme) {
    case 'oci': {
      const { path, tag } = splitTag(rest);
      return openOciLayout(path, tag);
    }
    case 'oci-archive': {
      const { path, tag } = splitTag(rest);
      return openOciArchive(path, tag);
    }
    case 'docker-archive':
      return openDockerArchive(rest);
    case 'rootfs':
      return openRootfs(rest, platform);
    default:
      throw unknownSource(text);
  }
}

function unknownSource(text: string): ServerError {
  const ostree = text.startsWith('ostree:')
    ? 'OSTree repositories are not taken in by this version'
    : `expected ${FORMS}`;
  return new ServerError('usage', `cannot push ${JSON.stringify(text)}: ${ostree}`);
}
