import { MEDIA_TYPES } from '../../storage/descriptor.ts';

/** Every type of manifest is mirrored as it was pushed; artifacts bring types of their own. */
export const ACCEPTED_MANIFESTS = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
  '*/*',
].join(', ');
