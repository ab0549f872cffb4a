import { checkRange, type RandomAccess } from '../../../../storage/random-access.ts';
import type { FileObject, ObjectSource } from './delta-objects.ts';
import type { OpenedFile } from '../object-sink.ts';

/** Files up to here are held while they are open; a handful are at once. */
const HELD_BYTES = 8 * 1024 * 1024;

/** The source, but a file that is not large is read once, however often it is looked through. */
export function holdingFiles(source: ObjectSource): ObjectSource {
  return {
    readMetadata: (object) => source.readMetadata(object),
    openContent: async (file: FileObject): Promise<OpenedFile> => {
      const opened = await source.openContent(file);
      if (opened.content.size > HELD_BYTES) return opened;
      const { header, content } = opened;
      return {
        header,
        content: new HeldContent(content),
        close: async () => {
          await opened.close?.();
        },
      };
    },
  };
}

/** All of a content from the first read on. */
class HeldContent implements RandomAccess {
  readonly size: number;
  readonly #content: RandomAccess;
  #bytes: Buffer | undefined;

  constructor(content: RandomAccess) {
    this.size = content.size;
    this.#content = content;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    checkRange(this.size, offset, length);
    this.#bytes ??= await this.#content.read(0, this.size);
    return this.#bytes.subarray(offset, offset + length);
  }

  readSync(offset: number, into: Uint8Array): void {
    this.#content.readSync(offset, into);
  }
}
