import { StorageError } from '../../../storage/errors.ts';
import type { IoOptions } from '../../../storage/object-store.ts';
import { DeltaError } from '../../errors.ts';
import { withScratch } from '../../scratch.ts';
import type { FileContent } from '../static-delta/object-sink.ts';
import { objectPath } from '../objects/object-name.ts';
import { readFilez } from '../objects/filez-read.ts';
import type { RepoFiles } from '../source/repo-files.ts';
import { packPart } from '../static-delta/build/pack-part.ts';
import { PartBuilder } from '../static-delta/build/part-builder.ts';
import { Spool } from '../static-delta/spool.ts';
import type { DeltaFallback, DeltaPart } from '../static-delta/superblock.ts';

/** Contents that are left outside of a delta are those that compression makes little of. */
const PRESET = 1;

export interface FallbackPartsInput extends IoOptions {
  readonly files: RepoFiles;
  readonly scratch: string;
}

/**
 * Objects that a delta leaves to be fetched beside it as parts that hold them whole, one each, numbered
 * from `first` on. Throws as the repository does, and for an object that is not as its checksum says.
 */
export async function fallbackParts(
  fallbacks: readonly DeltaFallback[],
  first: number,
  { files, scratch, signal }: FallbackPartsInput,
): Promise<readonly DeltaPart[]> {
  return withScratch(scratch, 'ostree-offline-', async (folder) => {
    const parts: DeltaPart[] = [];
    for (const fallback of fallbacks) {
      const { kind, checksum } = fallback;
      if (kind !== 'file') {
        throw new DeltaError('unsupported_version', `a delta leaves the ${kind} ${checksum} out`);
      }
      const content = new Spool(folder);
      const blob = new Spool(folder);
      try {
        const file = await fetchFile(files, fallback, content, { signal });
        const builder = new PartBuilder(blob, { signal });
        await builder.addFile({ ...file, checksum }, { kind: 'whole' });
        parts.push(await packInline(builder, first + parts.length, folder, { signal }));
      } finally {
        await content.close();
        await blob.close();
      }
    }
    return parts;
  });
}

async function fetchFile(
  files: RepoFiles,
  { checksum, contentBytes }: DeltaFallback,
  spool: Spool,
  { signal }: IoOptions,
): Promise<FileContent> {
  const path = objectPath({ kind: 'file', checksum });
  const bytes = await files.open(path, { signal });
  if (bytes === undefined) throw new StorageError('missing', `${files.label} lacks ${path}`);
  const filez = await readFilez(bytes, { checksum, signal });
  try {
    if (filez.size !== contentBytes) {
      throw new StorageError(
        'corrupt',
        `${path} in ${files.label} has ${filez.size} bytes, the delta says ${contentBytes}`,
      );
    }
    for await (const part of filez.content) await spool.append(part);
  } finally {
    filez.close();
  }
  return { header: filez.header, content: spool.slice(0, spool.size) };
}

function packInline(
  builder: PartBuilder,
  number: number,
  folder: string,
  { signal }: IoOptions,
): Promise<DeltaPart> {
  const nothing = { part: () => Promise.resolve(), superblock: () => Promise.resolve() };
  const common = { sink: nothing, folder, preset: PRESET, signal };
  return packPart(builder, number, { ...common, inlineBytes: Infinity });
}
