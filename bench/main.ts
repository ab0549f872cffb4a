import { benchDelta } from './delta/bench-delta.ts';
import { benchServe } from './serve/bench-serve.ts';

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  delta: benchDelta,
  serve: benchServe,
};

const name = process.argv[2] ?? '';
const bench = BENCHES[name];
if (bench === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')}\n`);
  process.exitCode = 2;
} else {
  await bench();
}
