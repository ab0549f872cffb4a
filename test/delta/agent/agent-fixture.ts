import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';

import { readBlob } from '../../../storage/blob-store.ts';
import { digestHex, type Digest } from '../../../storage/digest.ts';
import { runAgent, startAgent, type AgentResult, type AgentRun } from './agent-process.ts';
import { SampleRegion } from './sample-region.ts';
import type { SampleRelease, SampleStore } from './sample-release.ts';

/** A region and a device's fresh folder for each test of a file. */
export class AgentFixture {
  readonly #store: () => SampleStore;
  #region: SampleRegion | undefined;
  #data: string | undefined;

  private constructor(store: () => SampleStore) {
    this.#store = store;
  }

  /** Call at the top of a test file; `store` is asked once tests run. */
  static use(store: () => SampleStore): AgentFixture {
    const fixture = new AgentFixture(store);
    beforeEach(async () => {
      fixture.#region = await SampleRegion.start(store().blobs);
      fixture.#data = await mkdtemp(join(tmpdir(), 'rivulet-agent-'));
    });
    afterEach(async () => {
      await fixture.#region?.close();
      if (fixture.#data !== undefined) await rm(fixture.#data, { recursive: true, force: true });
    });
    return fixture;
  }

  get region(): SampleRegion {
    if (this.#region === undefined) throw new Error('no test runs');
    return this.#region;
  }

  /** The device's folder. */
  get data(): string {
    if (this.#data === undefined) throw new Error('no test runs');
    return this.#data;
  }

  start(...more: readonly string[]): AgentRun {
    const args = ['update', '--json', '--data', this.data, '--server', this.region.url];
    return startAgent([...args, '--product', 'demo/app', '--platform', 'linux/amd64', ...more]);
  }

  update(...more: readonly string[]): Promise<AgentResult> {
    return this.start(...more).done;
  }

  /** Another command on the same folder. */
  command(name: string, ...more: readonly string[]): Promise<AgentResult> {
    return runAgent([name, '--json', '--data', this.data, ...more]);
  }

  /** Installs a release whole and forgets that it did. */
  async install(release: SampleRelease): Promise<void> {
    this.region.offer = { target: release, plans: [release.full] };
    const { result, stderr } = await this.update();
    expect(result, stderr).toMatchObject({ outcome: 'updated', to: release.manifest.digest });
    this.region.blobRequests.length = 0;
    this.region.events.length = 0;
  }

  /** The layers of a release, as pushed. */
  async layers(release: SampleRelease): Promise<readonly Digest[]> {
    const { blobs } = this.#store();
    const bytes = await readBlob(blobs, release.manifest.digest, { maxBytes: 1e6 });
    const manifest = JSON.parse(bytes.toString('utf8')) as { layers: { digest: Digest }[] };
    return manifest.layers.map(({ digest }) => digest);
  }

  /** The ranges that were asked of a blob, in order. */
  ranges(digest: Digest): readonly (string | undefined)[] {
    return this.region.blobRequests
      .filter((request) => request.digest === digest)
      .map((request) => request.range);
  }

  slotBlob(slot: 'a' | 'b', digest: Digest): string {
    return join(this.data, 'slots', slot, 'blobs/sha256', digestHex(digest));
  }

  /** Where a download's files begin. */
  fetchStem(digest: Digest): string {
    return join(this.data, 'fetch', `sha256-${digestHex(digest)}`);
  }
}
