import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { digestOf } from '../../../storage/digest.ts';
import { needTool } from '../../clients/require.ts';
import { startTlsRig, type TlsRig } from '../../clients/tls-rig.ts';
import { Client, describeBlob, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from '../../server/oci/rig.ts';
import { runAgent, type AgentResult } from './agent-process.ts';
import { noise, tarOf } from './sample-release.ts';

const openssl = needTool('openssl');

/** What a month of a check an hour may cost. */
const MONTH_BYTES = 1_000_000;

/** Passes TCP streams on and counts their bytes, both ways. */
async function startCounter(port: number): Promise<{ readonly port: number; bytes: number }> {
  const sockets = new Set<Socket>();
  const counter = { port: 0, bytes: 0 };
  const server = createServer((client) => {
    const origin = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, origin],
      [origin, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        counter.bytes += bytes.length;
        to.write(bytes);
      });
      from.once('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  counter.port = (server.address() as AddressInfo).port;
  return counter;
}

describe.skipIf(openssl === undefined)('an idle device', () => {
  let rig: TlsRig;
  let data: string;
  beforeAll(async () => {
    rig = await startTlsRig('idle-cost');
    data = await mkdtemp(join(tmpdir(), 'rivulet-idle-'));
    await rig.plain(async (url) => {
      const client = new Client(url, 'demo/app');
      const tar = tarOf({ program: noise('idle', 10_000) });
      const layer = gzipSync(tar);
      const config = Buffer.from(
        JSON.stringify({
          ...{ os: 'linux', architecture: 'amd64', config: {} },
          rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
        }),
      );
      await client.pushBlob(layer);
      await client.pushBlob(config);
      const manifest = JSON.stringify({
        ...{ schemaVersion: 2, mediaType: OCI_MANIFEST },
        config: describeBlob(OCI_CONFIG, config),
        layers: [describeBlob(OCI_LAYER, layer)],
      });
      const put = await fetch(`${url}/v2/demo/app/manifests/latest`, {
        ...{ method: 'PUT', body: manifest },
        headers: { 'content-type': OCI_MANIFEST },
      });
      expect(put.status).toBe(201);
    });
  });
  afterAll(async () => {
    await rig.close();
    await rm(data, { recursive: true, force: true });
  });

  it('asks once an hour for at most 1 MB a month, TLS and heads included', async () => {
    const counter = await startCounter(Number(new URL(rig.url).port));
    const server = `https://127.0.0.1:${counter.port}`;
    const env = { NODE_EXTRA_CA_CERTS: rig.authority.certFile };
    const args = ['update', '--json', '--data', data, '--server', server];
    const ask = async (): Promise<{ result: AgentResult['result']; bytes: number }> => {
      const before = counter.bytes;
      const all = [...args, '--product', 'demo/app', '--platform', 'linux/amd64'];
      const { result, stderr } = await runAgent(all, env);
      expect(stderr).toBe('');
      return { result, bytes: counter.bytes - before };
    };
    expect((await ask()).result).toMatchObject({ outcome: 'updated' });
    const sessions = join(data, 'tls-sessions.json');
    expect((await stat(sessions)).mode & 0o777).toBe(0o600);
    // The first check after an update tells how it ended.
    expect((await ask()).result).toMatchObject({ outcome: 'up_to_date' });
    const resumed = await ask();
    expect(resumed.result).toMatchObject({ outcome: 'up_to_date' });
    await writeFile(sessions, '{"sessions":[]}');
    const whole = await ask();
    // One check a day needs a whole handshake: the server changes its ticket keys.
    const month = resumed.bytes * 690 + whole.bytes * 30;
    process.stdout.write(
      `a check over TLS: ${whole.bytes} bytes with a whole handshake, ${resumed.bytes} resumed; ${month} a month\n`,
    );
    expect(resumed.bytes).toBeLessThan(whole.bytes);
    expect(month).toBeLessThan(MONTH_BYTES);
  });
});
