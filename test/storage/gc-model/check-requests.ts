import { createManifestReader } from '../../../server/oci/manifest-reader.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { StoreRepair } from '../../../storage/fsck/repair.ts';
import type { Request } from './request.ts';

export const readManifest = createManifestReader();

/** Checks the store beside all else; nothing is ever damaged, so that whatever it finds is a false alarm. */
export async function checkBeside({ world, stores }: Request, mends: boolean): Promise<void> {
  const { objects, catalog } = stores;
  const { clock, scratch } = world;
  const store = { objects, catalog };
  const repair = mends ? new StoreRepair({ ...store, clock: clock.read, scratch }) : undefined;
  const { faults } = await checkStore({ ...store, quick: false, readManifest, repair });
  if (faults.length > 0) throw new Error(`false alarms: ${JSON.stringify(faults)}`);
}
