import { isImageManifestType, isIndexType } from '../../storage/descriptor.ts';
import type { ManifestFacts, ManifestReader, NamedChild } from '../../storage/fsck/manifests.ts';
import { OciError } from './errors.ts';
import { readManifestDocument, type Named } from './manifest-document.ts';
import { toChild } from './manifest-names.ts';
import { compileManifestSchemas } from './manifest-schema.ts';

/** Reads for `rivulet fsck` what a push of the manifest would put into rows. */
export function createManifestReader(): ManifestReader {
  const schemas = compileManifestSchemas();
  const read = (bytes: Buffer, told: string | undefined): ManifestFacts | undefined => {
    const { names, ...facts } = readManifestDocument(bytes, told, schemas);
    const { mediaType } = facts;
    if (!isImageManifestType(mediaType) && !isIndexType(mediaType)) return undefined;
    return { ...facts, children: childrenOf(names) };
  };
  return (bytes, mediaType) =>
    // A row whose type contradicts the bytes is wrong: they tell alone.
    orElse(
      () => read(bytes, mediaType),
      () =>
        orElse(
          () => read(bytes, undefined),
          // What an earlier program took and this one would refuse stays as it is.
          () => undefined,
        ),
    );
}

/** What the second makes where the first finds that it is no manifest. */
function orElse<T>(first: () => T, second: () => T): T {
  try {
    return first();
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    return second();
  }
}

/** In order, each once. */
function childrenOf(names: readonly Named[]): readonly NamedChild[] {
  const children = new Map<string, NamedChild>();
  for (const named of names) {
    const { kind, descriptor } = named;
    const { digest, mediaType } = descriptor;
    const open = kind === 'manifest' && !isImageManifestType(mediaType) && !isIndexType(mediaType);
    children.set(`${kind} ${digest}`, { ...toChild(named, kind), open });
  }
  return [...children.values()];
}
