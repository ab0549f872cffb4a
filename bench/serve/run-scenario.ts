import { checkAnswers } from './check-answers.ts';
import type { Content } from './content.ts';
import type { GeneratorName } from './generators.ts';
import type { Generator, LoadPlan, LoadResult } from './load/load.ts';
import type { Scale } from './options.ts';
import type { RunningPeer } from './peers/peer.ts';
import type { Pin } from './pin.ts';
import { ownCpuSeconds, processUse } from './process-use.ts';
import { plannedGets, type Entry, type Scenario } from './scenarios.ts';
import type { Stand } from './stand.ts';
import { negotiated, type TlsFiles } from './tls-files.ts';

/** One load of one round. */
export interface Turn extends LoadResult {
  /** Cores that the server kept busy. */
  readonly serverCores: number;
  readonly generatorCores: number;
  /** The memory of the server's processes at the end. */
  readonly rssBytes: number;
}

export interface EntryResult {
  readonly title: string;
  /** What was negotiated. */
  readonly tls: string | undefined;
  readonly turns: readonly Turn[];
  /** Why there are no figures: a registry that could not do it. Ours and nginx have to. */
  readonly failure: string | undefined;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly generator: string;
  readonly connections: number;
  readonly entries: readonly EntryResult[];
}

export interface ScenarioContext {
  readonly stand: Stand;
  readonly content: Content;
  readonly scale: Scale;
  readonly pin: Pin;
  readonly generators: Readonly<Record<GeneratorName, Generator>>;
  readonly tls: TlsFiles;
}

/** Asked for at random this often, all but one in twenty blobs have been asked for. */
const WARM_UP_TIMES = 3;
const MAX_WARM_UPS = 5;

interface Contestant {
  readonly entry: Entry;
  readonly server: RunningPeer;
  readonly plan: LoadPlan;
  readonly tls: string | undefined;
  readonly turns: Turn[];
  failure?: string;
}

/** All servers of a scenario in turns, the order turned round with every round. */
export async function runScenario(
  scenario: Scenario,
  context: ScenarioContext,
): Promise<ScenarioResult> {
  const { scale, pin, stand } = context;
  const generator = context.generators[scenario.generator];
  try {
    await pin.servers();
    const contestants = await startAll(scenario, context);
    await pin.generator();
    for (const contestant of contestants) await warmUp(contestant, generator, scale.warmupSeconds);
    for (let round = 0; round < scale.rounds; round += 1) {
      const order = round % 2 === 0 ? contestants : [...contestants].reverse();
      for (const contestant of order) await takeTurn(contestant, generator);
    }
    const entries = contestants.map(({ entry: { title }, tls, turns, failure }) => ({
      ...{ title, tls, turns, failure },
    }));
    const { name, title, connections } = scenario;
    return { name, title, connections, generator: generator.name, entries };
  } finally {
    await stand.stop();
  }
}

/** Starts the servers of the entries that are installed, and sees that they serve what is asked for. */
async function startAll(
  scenario: Scenario,
  { stand, content, scale, tls: files }: ScenarioContext,
): Promise<Contestant[]> {
  const blobs = scenario.blobs(content);
  const tls = scenario.tls ? files : undefined;
  const contestants: Contestant[] = [];
  for (const entry of scenario.entries) {
    const peer = stand.peer(entry.peer);
    if (peer === undefined) continue;
    const server = await stand.start(entry, blobs, tls);
    const [first, ...others] = plannedGets(scenario, blobs, entry.blobPath ?? peer.blobPath);
    if (first === undefined) throw new Error(`${scenario.name} asks for nothing`);
    const gets = [first, ...others] as const;
    await checkAnswers(server.url, gets, blobs, tls);
    contestants.push({
      entry,
      server,
      plan: {
        url: server.url,
        gets: [...gets],
        connections: scenario.connections,
        seconds: scale.seconds,
        tls,
      },
      tls: tls === undefined ? undefined : await negotiated(server.url, tls),
      turns: [],
    });
  }
  return contestants;
}

/** Loads a server until most of what is asked for was asked for, within a bound for the slow ones. */
async function warmUp(
  contestant: Contestant,
  generator: Generator,
  seconds: number,
): Promise<void> {
  if (seconds === 0) return;
  const { plan } = contestant;
  await tolerate(contestant, async () => {
    let requests = 0;
    for (let load = 0; load < MAX_WARM_UPS; load += 1) {
      requests += (await generator.run({ ...plan, seconds })).requests;
      if (requests >= WARM_UP_TIMES * plan.gets.length) return;
    }
  });
}

async function takeTurn(contestant: Contestant, generator: Generator): Promise<void> {
  if (contestant.failure !== undefined) return;
  const { pid } = contestant.server;
  await tolerate(contestant, async () => {
    const [server, own] = [await processUse(pid), await ownCpuSeconds()];
    const begun = performance.now();
    const result = await generator.run(contestant.plan);
    const seconds = (performance.now() - begun) / 1000;
    const [serverThen, ownThen] = [await processUse(pid), await ownCpuSeconds()];
    contestant.turns.push({
      ...result,
      serverCores: (serverThen.cpuSeconds - server.cpuSeconds) / seconds,
      generatorCores: (ownThen - own) / seconds,
      rssBytes: serverThen.rssBytes,
    });
  });
}

/** A registry that fails under a load is a result; ours or nginx failing ends the bench. */
async function tolerate(contestant: Contestant, step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (error) {
    const { peer } = contestant.entry;
    if (peer === 'rivulet' || peer === 'nginx' || !(error instanceof Error)) throw error;
    contestant.failure = error.message;
  }
}
