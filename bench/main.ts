import { benchAgent } from './agent/bench-agent.ts';
import { benchApply } from './apply/bench-apply.ts';
import { benchCache } from './cache/bench-cache.ts';
import { benchDeltaSize } from './delta-size/bench-delta-size.ts';
import { benchDeltaSpeed } from './delta-speed/bench-delta-speed.ts';
import { endWithChildren } from './ending.ts';
import { benchFuzz } from './fuzz/bench-fuzz.ts';
import { benchHuge } from './huge/bench-huge.ts';
import { benchInterrupt } from './interrupt/bench-interrupt.ts';
import { benchKills } from './kills/bench-kills.ts';
import { benchNodes } from './nodes/bench-nodes.ts';
import { benchOstree } from './ostree/bench-ostree.ts';
import { benchServe } from './serve/bench-serve.ts';
import { benchSoak } from './soak/bench-soak.ts';
import { benchStore } from './store/bench-store.ts';

const BENCHES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  agent: benchAgent,
  'delta-size': benchDeltaSize,
  'delta-speed': benchDeltaSpeed,
  apply: benchApply,
  cache: benchCache,
  fuzz: benchFuzz,
  huge: benchHuge,
  interrupt: benchInterrupt,
  kills: benchKills,
  nodes: benchNodes,
  ostree: benchOstree,
  serve: benchServe,
  soak: benchSoak,
  store: benchStore,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')}\n`);
  process.exitCode = 2;
} else {
  endWithChildren();
  try {
    await bench(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
  // A bench that failed half-way may have left what would keep this process.
  process.exit();
}
