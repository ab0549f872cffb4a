import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { formatPlatform } from '../../storage/descriptor.ts';
import { makeReleases } from './content.ts';
import { startCuttingProxy, type CuttingProxy } from './cutting-proxy.ts';
import { runDevice, runRivulet, startServer, type RunningServer } from './programs.ts';
import { writeRelease, type WrittenImage } from './release.ts';
import { printReport, type PlatformReport, type UpdateResult } from './report.ts';
import { cacheStatus, getJson, publishedDeltas, type PublishedDelta } from './server-facts.ts';
import { Narrator } from './speak.ts';
import { verifyDevice } from './verify.ts';

const PRODUCT = 'demo/app';
const CHANNEL = 'stable';
const REGION = 'eu';

/** The whole path on real software: CI, origin, region and three devices, each a process of its own. */
export class Demo {
  readonly #packages: string;
  readonly #dir: string;
  readonly #out = new Narrator();
  #origin: RunningServer | undefined;
  #region: RunningServer | undefined;
  #proxy: CuttingProxy | undefined;

  constructor(packagesDir: string, runDir: string) {
    this.#packages = packagesDir;
    this.#dir = runDir;
  }

  async run(): Promise<void> {
    const [release1, release2] = await this.#makeReleases();
    const { origin, region } = await this.#startServers();

    this.#out.step('CI pushes release 1; every device installs it whole, through the region');
    await this.#push(origin, 'release-1', 'v1');
    for (const image of release1) {
      await this.#update(image, region.url, 'full');
      await verifyDevice(this.#deviceDir(image), image);
    }

    this.#out.step('CI pushes release 2; the matrix builds one delta per platform and proves each');
    await this.#push(origin, 'release-2', 'v2');
    const deltas = await publishedDeltas(origin.url, PRODUCT, release2);
    await this.#untilMirrored(region, deltas);

    const results = await this.#updateAll(release2, deltas, origin, region);

    this.#out.step('Every image is hashed again, outside the agent');
    for (const image of release2) {
      const bytes = await verifyDevice(this.#deviceDir(image), image);
      this.#out.say(`${formatPlatform(image.platform)}: ${bytes} bytes of layers equal release 2`);
    }
    await this.#reportsArrive(origin, release2.length);
    await printReport(
      this.#out,
      platformReports(release2, deltas, results),
      await cacheStatus(region.url),
    );
  }

  /** Stops what still runs. */
  async stop(): Promise<void> {
    await this.#proxy?.close();
    await this.#region?.stop();
    await this.#origin?.stop();
  }

  /** Leaves the servers up and says what can be done with them. */
  leaveRunning(): void {
    const [origin, region] = [this.#origin, this.#region];
    if (origin === undefined || region === undefined) return;
    void this.#proxy?.close();
    origin.release();
    region.release();
    this.#out.step('Everything is left running. Try:');
    this.#out.say(`curl -s '${origin.url}/v1/deltas?repo=${PRODUCT}'`);
    this.#out.say(`curl -s ${region.url}/v1/status`);
    this.#out.say(
      `D=$(curl -s '${origin.url}/v1/deltas?repo=${PRODUCT}' | grep -o 'sha256:[0-9a-f]*' | tail -1)`,
    );
    this.#out.say(`curl -si -r 0-15,100-115 ${region.url}/v1/blobs/$D --output - | head -c 900`);
    this.#out.say(
      `skopeo inspect --tls-verify=false docker://${new URL(region.url).host}/${PRODUCT}:${CHANNEL}`,
    );
    this.#out.say(
      `skopeo copy --all --src-tls-verify=false docker://${new URL(origin.url).host}/${PRODUCT}:${CHANNEL} oci:./copy:${CHANNEL}`,
    );
    this.#out.say(`kill ${origin.pid} ${region.pid}    # ends both`);
  }

  async #makeReleases(): Promise<readonly [readonly WrittenImage[], readonly WrittenImage[]]> {
    this.#out.step('Two releases of one image for three architectures, from public npm packages');
    await mkdir(this.#dir, { recursive: true });
    const [first, second] = await makeReleases(this.#packages);
    const release1 = await writeRelease(join(this.#dir, 'release-1'), 'v1', first);
    const release2 = await writeRelease(join(this.#dir, 'release-2'), 'v2', second);
    for (const { platform, manifest } of release2) {
      this.#out.say(`${formatPlatform(platform)}: release 2 is ${manifest.digest}`);
    }
    return [release1, release2];
  }

  async #startServers(): Promise<{ origin: RunningServer; region: RunningServer }> {
    this.#out.step('An origin and a regional cache start on loopback');
    const origin = await this.#startOrigin('127.0.0.1:0');
    const region = await startServer(
      [
        ...['cache', '--upstream', origin.url, '--region', REGION, '--listen', '127.0.0.1:0'],
        ...['--data', join(this.#dir, 'region')],
      ],
      join(this.#dir, 'region.log'),
    );
    this.#region = region;
    this.#proxy = await startCuttingProxy(region.url);
    this.#out.say(
      `origin ${origin.url} (pid ${origin.pid}), region ${region.url} (pid ${region.pid})`,
    );
    return { origin, region };
  }

  async #startOrigin(listen: string): Promise<RunningServer> {
    const data = join(this.#dir, 'origin');
    this.#origin = await startServer(
      ['serve', '--data', data, '--listen', listen],
      join(this.#dir, 'origin.log'),
    );
    return this.#origin;
  }

  async #push(origin: RunningServer, folder: string, tag: string): Promise<void> {
    const source = `oci:${join(this.#dir, folder)}:${tag}`;
    const shown = new Map<string, string>();
    await runRivulet(
      ['push', source, `${PRODUCT}:${CHANNEL}`, '--server', origin.url, '--wait'],
      (event) => {
        if (event.event === 'pushed') this.#out.say(`pushed ${String(event['digest'])}`);
        if (event.event !== 'delta') return;
        const platform = String(event['platform']);
        const percent = Math.round(Number(event['progress']) * 10) * 10;
        const news = `${String(event['state'])}${event['state'] === 'published' ? '' : ` ${percent} %`}`;
        if (shown.get(platform) === news) return;
        shown.set(platform, news);
        this.#out.say(`delta ${platform}: ${news}`);
      },
    );
  }

  /** The devices update: one over a link that is cut, the last one without the origin. */
  async #updateAll(
    release: readonly WrittenImage[],
    deltas: ReadonlyMap<string, PublishedDelta>,
    origin: RunningServer,
    region: RunningServer,
  ): Promise<ReadonlyMap<string, UpdateResult>> {
    this.#out.step('The devices update by delta, through the region');
    const results = new Map<string, UpdateResult>();
    for (const [number, image] of release.entries()) {
      const platform = formatPlatform(image.platform);
      if (number === 1) {
        results.set(platform, await this.#updateOverCutLink(image, deltas.get(platform)));
        continue;
      }
      if (number === release.length - 1) {
        await origin.stop();
        this.#out.say('the origin is stopped: the region serves the last device alone');
      }
      results.set(platform, await this.#update(image, region.url, 'delta'));
    }
    await this.#startOrigin(new URL(origin.url).host);
    return results;
  }

  async #updateOverCutLink(
    image: WrittenImage,
    delta: PublishedDelta | undefined,
  ): Promise<UpdateResult> {
    const proxy = this.#proxy;
    if (proxy === undefined || delta === undefined) throw new Error('nothing to cut');
    proxy.cutAfter(Math.floor(delta.size / 2));
    const result = await this.#update(image, proxy.url, 'delta');
    if (proxy.cuts !== 1) throw new Error(`the link was cut ${proxy.cuts} times, not once`);
    if (result.resumedAt === undefined || result.resumedAt === 0) {
      throw new Error('the device did not go on at the byte it had');
    }
    this.#out.say(`  its link was cut; it went on at byte ${result.resumedAt} of ${delta.size}`);
    return result;
  }

  async #update(image: WrittenImage, server: string, plan: string): Promise<UpdateResult> {
    const platform = formatPlatform(image.platform);
    const events = await runDevice([
      ...['update', '--data', this.#deviceDir(image), '--server', server],
      ...['--product', PRODUCT, '--channel', CHANNEL, '--region', REGION],
      ...['--platform', platform, '--device-id', this.#deviceName(image)],
    ]);
    const result = events.find(({ event }) => event === 'result');
    if (result?.['outcome'] !== 'updated' || result['plan'] !== plan) {
      throw new Error(`${platform} should update by ${plan}, but: ${JSON.stringify(events)}`);
    }
    const { bytes, applyMs, resumedAt } = result as unknown as UpdateResult;
    this.#out.say(
      `${platform}: ${plan}, ${bytes} bytes on the wire, applied in ${(applyMs / 1000).toFixed(1)} s`,
    );
    return { plan, bytes, applyMs, resumedAt };
  }

  /** The region fetches the deltas of versions that its devices run, ahead of their asking. */
  async #untilMirrored(
    region: RunningServer,
    deltas: ReadonlyMap<string, PublishedDelta>,
  ): Promise<void> {
    const wanted = [...deltas.values()].map(({ digest }) => digest);
    for (let tries = 0; tries < 240; tries += 1) {
      const { mirrored } = await cacheStatus(region.url);
      if (wanted.every((digest) => mirrored.includes(digest))) {
        this.#out.say(`the region holds all ${wanted.length} deltas`);
        return;
      }
      await sleep(250);
    }
    throw new Error('the region did not fetch the deltas of its devices within a minute');
  }

  /** The region forwards the reports that it queued while the origin was gone. */
  async #reportsArrive(origin: RunningServer, devices: number): Promise<void> {
    this.#out.step('The origin is back; the reports that the region kept arrive');
    for (let tries = 0; tries < 240; tries += 1) {
      const answer = (await getJson(`${origin.url}/v1/devices`)) as {
        devices: { current?: string }[];
      };
      const deltas = await publishedTargets(origin.url);
      const done = answer.devices.filter(({ current }) => deltas.has(current ?? ''));
      if (done.length === devices) {
        this.#out.say(`the origin knows that all ${devices} devices run release 2 and are healthy`);
        return;
      }
      await sleep(250);
    }
    throw new Error('the reports did not reach the origin within a minute');
  }

  #deviceName(image: WrittenImage): string {
    return `device-${formatPlatform(image.platform).replaceAll('/', '-')}`;
  }

  #deviceDir(image: WrittenImage): string {
    return join(this.#dir, this.#deviceName(image));
  }
}

async function publishedTargets(origin: string): Promise<Set<string>> {
  const { deltas } = (await getJson(`${origin}/v1/deltas?repo=${PRODUCT}&state=published`)) as {
    deltas: { to: string }[];
  };
  return new Set(deltas.map(({ to }) => to));
}

function platformReports(
  release: readonly WrittenImage[],
  deltas: ReadonlyMap<string, PublishedDelta>,
  results: ReadonlyMap<string, UpdateResult>,
): PlatformReport[] {
  return release.map((image) => {
    const platform = formatPlatform(image.platform);
    const delta = deltas.get(platform);
    const result = results.get(platform);
    if (delta === undefined || result === undefined) throw new Error(`${platform} has no result`);
    return { platform, image, delta, result };
  });
}
