import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PLATFORMS } from '../../bench/demo/content.ts';
import { writeRelease } from '../../bench/demo/release.ts';
import { writeTar } from '../../bench/demo/tar-writer.ts';
import type { Pair } from '../server/tls/authority.ts';
import { startHoldingProxy } from './holding-proxy.ts';
import { seededBytes } from './oci-image.ts';
import { needTool } from './require.ts';
import { startTlsRig, type TlsRig } from './tls-rig.ts';

const openssl = needTool('openssl');
const skopeo = needTool('skopeo');

/** The files are looked at every 5 s. */
const LOOKED_MS = 6000;
const SEEN = { timeout: 30_000, interval: 200 };
const LAYER_BYTES = 12_000_000;

describe.skipIf(openssl === undefined)('a certificate that is renewed on disk', () => {
  let rig: TlsRig;

  beforeEach(async () => {
    rig = await startTlsRig('tls-renewal');
  });
  afterEach(() => rig.close());

  const copy = (from: string, to: string, certDir: string) =>
    rig.run(skopeo ?? '', [
      ...['--insecure-policy', 'copy', '--all', '--src-cert-dir', certDir],
      ...[`docker://${from}/demo/big:v1`, `oci:${join(rig.dir, to)}:v1`],
    ]);

  it.skipIf(skopeo === undefined)(
    'breaks no copy by skopeo that is under way, nor the next one',
    async () => {
      const layout = join(rig.dir, 'in');
      const written = await writeBigRelease(layout);
      await rig.push(layout, 'demo/big', 'v1');
      const certDir = await rig.certDir('certs');
      const proxy = await startHoldingProxy(rig.host, LAYER_BYTES / 3);
      try {
        const before = await serialOf(rig);
        const copied = copy(proxy.host, 'out', certDir);
        await Promise.race([proxy.held, copied]);
        await install(rig, rig.authority.server('renewed'));
        await expect.poll(() => serialOf(rig), SEEN).not.toBe(before);
        proxy.release();
        await copied;
      } finally {
        await proxy.close();
      }
      await copy(rig.host, 'again', certDir);
      for (const folder of ['out', 'again']) {
        for (const digest of written) {
          const path = digest.replace(':', '/');
          const bytes = await readFile(join(rig.dir, folder, 'blobs', path));
          expect(bytes.equals(await readFile(join(layout, 'blobs', path)))).toBe(true);
        }
      }
    },
  );

  it('stays in use while the key beside the new one is wrong', async () => {
    const before = await serialOf(rig);
    const renewed = rig.authority.server('renewed');
    await copyFile(renewed.certFile, rig.server.certFile);
    await sleep(LOOKED_MS);
    expect(await serialOf(rig)).toBe(before);
    await writeFile(rig.server.keyFile, 'no key at all');
    await sleep(LOOKED_MS);
    expect(await serialOf(rig)).toBe(before);
    await install(rig, renewed);
    await expect.poll(() => serialOf(rig), SEEN).not.toBe(before);
  });
});

/** Layers of a size that takes a while; digests of all that it made. */
async function writeBigRelease(layout: string): Promise<readonly string[]> {
  const tars = ['one', 'two', 'three'].map((name) =>
    writeTar([{ path: name, mode: 0o644, bytes: seededBytes(name, LAYER_BYTES) }]),
  );
  const [platform] = PLATFORMS;
  const layers = tars.map((tar, number) => ({ what: `layer ${number}`, tar }));
  const images = await writeRelease(layout, 'v1', [{ platform, layers }]);
  return images.flatMap((image) =>
    [image.manifest, image.config, ...image.layers].map(({ digest }) => digest),
  );
}

async function install(rig: TlsRig, pair: Pair): Promise<void> {
  await copyFile(pair.certFile, rig.server.certFile);
  await copyFile(pair.keyFile, rig.server.keyFile);
}

/** The serial number of the certificate that a new connection meets and trusts. */
function serialOf({ url, authority }: TlsRig): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca: authority.cert }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
