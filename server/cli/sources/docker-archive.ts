import { ServerError } from '../../errors.ts';
import type { ImageSource } from './image-source.ts';
import { MadeImage } from './made-image.ts';
import { streamOf, TarArchive } from './tar-archive.ts';

/** The part of `manifest.json` that matters (Docker image specification 1.2). */
interface SavedImage {
  readonly config: string;
  readonly layers: readonly string[];
}

/**
 * Opens what `docker save` or `skopeo copy ... docker-archive:` wrote, of one image: its config is
 * kept byte-exact, so the image ID stays; its layer tars are compressed with gzip.
 */
export async function openDockerArchive(path: string): Promise<ImageSource> {
  const archive = await TarArchive.open(path);
  try {
    const saved = parseManifest(await archive.document('manifest.json'), path);
    const made = await MadeImage.begin();
    try {
      for (const name of saved.layers) {
        const layer = archive.member(name);
        if (layer === undefined) {
          throw new ServerError('invalid_input', `${path} lacks the layer ${name}`);
        }
        await made.addLayer(streamOf(layer));
      }
      const config = await archive.document(saved.config);
      checkDiffIds(config, made.diffIds, path);
      return await made.finish(config);
    } catch (error) {
      await made.discard();
      throw error;
    }
  } finally {
    await archive.close();
  }
}

function parseManifest(bytes: Buffer, path: string): SavedImage {
  const value = parseJson(bytes, `the manifest.json of ${path}`);
  if (!Array.isArray(value) || value.length !== 1) {
    throw new ServerError(
      'invalid_input',
      `${path} holds ${Array.isArray(value) ? value.length : 'no'} images: save exactly one`,
    );
  }
  const { Config: config, Layers: layers } = (value[0] ?? {}) as Record<string, unknown>;
  const isList = Array.isArray(layers) && layers.every((name) => typeof name === 'string');
  if (typeof config !== 'string' || !isList) {
    throw new ServerError(
      'invalid_input',
      `the manifest.json of ${path} names no config or layers`,
    );
  }
  return { config, layers };
}

function checkDiffIds(config: Buffer, actual: readonly string[], path: string): void {
  const value = parseJson(config, `the config in ${path}`) as {
    rootfs?: { diff_ids?: unknown };
  } | null;
  const named = value?.rootfs?.diff_ids;
  if (!Array.isArray(named) || named.join() !== actual.join()) {
    throw new ServerError(
      'invalid_input',
      `the layers in ${path} are not those that its config names (diff_ids differ)`,
    );
  }
}

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ServerError('invalid_input', `${what} is not JSON`, { cause });
  }
}
