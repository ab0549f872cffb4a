import { loadOptions, saveOptions } from '../../../delta/agent/config.ts';
import { withDevice, type Device } from '../../../delta/agent/device.ts';
import type { DeviceEvent, Output, ResultEvent } from '../../../delta/agent/output.ts';
import { devicePaths } from '../../../delta/agent/paths.ts';
import { update } from '../../../delta/agent/update.ts';
import type { AgentFixture } from './agent-fixture.ts';
import type { SampleRelease } from './sample-release.ts';
import type { Plan } from '../../../delta/agent/protocol.ts';

/** The result of work that has none. */
export const NOTHING: ResultEvent = {
  event: 'result',
  outcome: 'waiting',
  bytes: 0,
  fetchMs: 0,
  applyMs: 0,
};

/** The agent in the test's own process: for what needs another boot, or a disk that stops. */
export class InProcess {
  readonly events: DeviceEvent[] = [];
  /** Flags as on the command line. */
  flags: Readonly<Record<string, string>> = {};
  bootId = 'boot-1';
  readonly #fixture: AgentFixture;

  constructor(fixture: AgentFixture) {
    this.#fixture = fixture;
  }

  /** Remembers the flags, so that the program itself knows them. */
  async remember(): Promise<void> {
    await this.run(async ({ paths, options }) => {
      await saveOptions(paths.config, options);
      return NOTHING;
    });
  }

  /** Runs some of the agent on the device's locked folder. */
  async run(work: (device: Device) => Promise<ResultEvent>): Promise<ResultEvent> {
    const paths = devicePaths(this.#fixture.data);
    const flags = {
      server: [this.#fixture.region.url],
      product: 'demo/app',
      platform: 'linux/amd64',
      deviceId: 'test',
      ...this.flags,
    };
    const output: Output = {
      emit: (event) => this.events.push(event),
      print: () => undefined,
      close: () => undefined,
    };
    return withDevice(
      {
        paths,
        options: await loadOptions(paths.config, flags, {}, true),
        output,
        clock: Date.now,
        random: Math.random,
        signal: new AbortController().signal,
        bootId: () => Promise.resolve(this.bootId),
      },
      work,
    );
  }

  /** An update run while the region offers a release. */
  async update(
    target: SampleRelease,
    plans: readonly Plan[] = [target.full],
  ): Promise<ResultEvent> {
    this.#fixture.region.offer = { target, plans };
    return this.run((device) => update(device, { retry: false }));
  }
}
