import type { DeltaPair } from '../../../storage/catalog/delta-catalog.ts';
import { named, REPO, STABLE } from './names.ts';

/** A cell of the matrix between two images that the names stand for. */
export function pair(from: string, to: string, platform = 'linux/amd64'): DeltaPair {
  return { repo: REPO, tag: STABLE, platform, from: named(from), to: named(to) };
}
