import { ServerError } from '../../errors.ts';
import { openDockerArchive } from './docker-archive.ts';
import type { ImageSource } from './image-source.ts';
import { openOciArchive } from './oci-archive.ts';
import { openOciLayout } from './oci-layout.ts';
import { openRootfs } from './rootfs.ts';
import { splitTag } from './split-tag.ts';

/** What `rivulet push` takes; the OSTree forms are opened in `../ostree/`. */
export const SOURCE_FORMS =
  'oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE, rootfs:TAR, ostree:REPO:REF or ostree-archive:TAR:REF';

/** Opens an image that `rivulet push` was given. `platform` names the platform of a rootfs tar. */
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
  return new ServerError('usage', `cannot push ${JSON.stringify(text)}: expected ${SOURCE_FORMS}`);
}
