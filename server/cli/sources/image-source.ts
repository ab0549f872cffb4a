import type { BlobReader } from '../../../storage/blob-store.ts';
import type { Descriptor } from '../../../storage/descriptor.ts';

/** Something that can be pushed: blobs and the manifest or index to begin with. */
export interface ImageSource {
  readonly blobs: BlobReader;
  readonly root: Descriptor;
  close(): Promise<void>;
}
