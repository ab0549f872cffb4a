import type { TarFile } from '../../ostree/from-tar/tar-entries.ts';
import { DeviceError } from '../errors.ts';
import type { SlotImage } from '../slot.ts';
import { layerEntries } from './layers.ts';

/**
 * Hands the one file of a release to `take`, whose content it reads to the end; folders around it do
 * not matter. Throws `unsupported` for a release with no file, several, links or devices, and
 * `corrupt` for a damaged layer: what `take` made then must not be used.
 */
export async function takeSingleFile(
  release: SlotImage,
  signal: AbortSignal,
  take: (file: TarFile) => Promise<void>,
): Promise<void> {
  let taken: string | undefined;
  for (const diffId of release.image.diffIds) {
    for await (const entry of layerEntries(release, diffId, signal)) {
      if (entry.is.kind === 'directory') continue;
      const name = JSON.stringify(entry.path.toString('utf8').slice(0, 200));
      if (taken !== undefined || entry.is.kind !== 'file') {
        throw notOne(release, `it has the ${entry.is.kind} ${name} ${beside(taken)}`);
      }
      taken = name;
      await take(entry);
      signal.throwIfAborted();
    }
  }
  if (taken === undefined) throw notOne(release, 'it has none');
}

function notOne(release: SlotImage, why: string): DeviceError {
  const { digest } = release.image.manifest;
  return new DeviceError(
    'unsupported',
    `the release ${digest} is not an image of one file: ${why.trim()}; such a release needs another --target`,
  );
}

function beside(taken: string | undefined): string {
  return taken === undefined ? '' : `beside ${taken}`;
}
