import { inParallel } from './in-parallel.ts';
import type { Ledger } from './ledger.ts';
import { REF } from './load.ts';
import { OSTREE_REPO, read, REPO } from './registry-client.ts';

/** Requests under way at once. */
const READERS = 8;

/**
 * What was acknowledged and is not there byte for byte, and what is there that was deleted, in words:
 * of the deleted ones all, or those since the ledger was settled. Nobody writes meanwhile.
 */
export async function findLosses(
  server: string,
  ledger: Ledger,
  gone: 'all' | 'recent',
): Promise<readonly string[]> {
  const losses: string[] = [];
  await inParallel(expectations(ledger, gone), READERS, async ([path, wanted]) => {
    const bytes = await read(server, path);
    if (wanted === undefined) {
      if (bytes !== undefined) losses.push(`${path}: deleted, and there again`);
    } else if (bytes === undefined) losses.push(`${path}: gone`);
    else if (!bytes.equals(wanted)) losses.push(`${path}: other bytes`);
  });
  losses.push(...(await checkStable(server, ledger)), ...(await checkRef(server, ledger)));
  return losses;
}

/** What has to be at which path; undefined: nothing. */
function expectations(
  ledger: Ledger,
  gone: 'all' | 'recent',
): ReadonlyMap<string, Uint8Array | undefined> {
  const expected = new Map<string, Uint8Array | undefined>();
  for (const [tag, { image, state }] of ledger.images) {
    if (state !== 'there') continue;
    expected.set(`/v2/${REPO}/manifests/${tag}`, image.manifest);
    for (const { digest, bytes } of image.blobs) {
      expected.set(`/v2/${REPO}/blobs/${digest}`, bytes);
    }
  }
  for (const tag of ledger.gone(gone)) expected.set(`/v2/${REPO}/manifests/${tag}`, undefined);
  return expected;
}

async function checkStable(server: string, { stable }: Ledger): Promise<readonly string[]> {
  const found = await read(server, `/v2/${REPO}/manifests/stable`);
  if (found === undefined) return stable.mayBeNowhere ? [] : ['tag stable: lost'];
  return stable.possible.some(({ manifest }) => manifest.equals(found))
    ? []
    : ['tag stable: elsewhere'];
}

async function checkRef(server: string, { ref }: Ledger): Promise<readonly string[]> {
  const base = `/ostree/${OSTREE_REPO}`;
  const found = (await read(server, `${base}/refs/heads/${REF}`))?.toString().trim();
  if (found === undefined) return ref.mayBeNowhere ? [] : ['ref: lost'];
  const at = ref.possible.find(({ commit }) => commit === found);
  if (at === undefined) return ['ref: elsewhere'];
  const losses: string[] = [];
  for (const { name, bytes } of at.metadata) {
    const path = `${base}/objects/${name.slice(0, 2)}/${name.slice(2)}`;
    const there = await read(server, path);
    if (there?.equals(Buffer.from(bytes)) !== true) losses.push(`${path}: gone, or other bytes`);
  }
  return losses;
}
