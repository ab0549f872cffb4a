import type { Ledger } from './ledger.ts';
import { REF } from './load.ts';
import { OSTREE_REPO, read, REPO } from './registry-client.ts';

/**
 * What was acknowledged and is not there byte for byte, and what is there that was deleted, in words.
 * Nobody writes meanwhile.
 */
export async function findLosses(server: string, ledger: Ledger): Promise<readonly string[]> {
  const losses: string[] = [];
  const same = async (path: string, wanted: Uint8Array): Promise<void> => {
    const bytes = await read(server, path);
    if (bytes === undefined) losses.push(`${path}: gone`);
    else if (!bytes.equals(wanted)) losses.push(`${path}: other bytes`);
  };
  for (const [tag, { image, state }] of ledger.images) {
    const path = `/v2/${REPO}/manifests/${tag}`;
    if (state === 'there') {
      await same(path, image.manifest);
      for (const { digest, bytes } of image.blobs) {
        await same(`/v2/${REPO}/blobs/${digest}`, bytes);
      }
    } else if (state === 'gone' && (await read(server, path)) !== undefined) {
      losses.push(`${path}: deleted, and there again`);
    }
  }
  losses.push(...(await checkStable(server, ledger)), ...(await checkRef(server, ledger)));
  return losses;
}

async function checkStable(server: string, { stable, images }: Ledger): Promise<readonly string[]> {
  const found = await read(server, `/v2/${REPO}/manifests/stable`);
  const possible = [...images.values()].filter(({ image }) =>
    stable.possible.includes(image.digest),
  );
  if (found !== undefined && possible.some(({ image }) => image.manifest.equals(found))) return [];
  return found === undefined && stable.mayBeNowhere ? [] : ['tag stable: lost, or elsewhere'];
}

async function checkRef(server: string, { ref }: Ledger): Promise<readonly string[]> {
  const base = `/ostree/${OSTREE_REPO}`;
  const found = (await read(server, `${base}/refs/heads/${REF}`))?.toString().trim();
  const at = ref.possible.find(({ commit }) => commit === found);
  if (at === undefined) {
    return found === undefined && ref.mayBeNowhere ? [] : ['ref: lost, or elsewhere'];
  }
  const losses: string[] = [];
  for (const { name, bytes } of at.metadata) {
    const path = `${base}/objects/${name.slice(0, 2)}/${name.slice(2)}`;
    const there = await read(server, path);
    if (there?.equals(Buffer.from(bytes)) !== true) losses.push(`${path}: gone, or other bytes`);
  }
  return losses;
}
