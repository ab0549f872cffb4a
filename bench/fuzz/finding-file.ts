import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Finding } from './execute.ts';

/** What is needed to run an execution again. */
export interface Replay {
  readonly seed: number;
  readonly target: string;
  readonly number: number;
}

/**
 * Writes a finding as JSON that `--replay` takes; returns the path. An execution follows from its number
 * only as long as encoder and bench stay the same, so its hostile bytes are written beside: for the test.
 */
export async function writeFinding(dir: string, seed: number, finding: Finding): Promise<string> {
  const { target, number, problem, inputs } = finding;
  const stem = join(dir, `${target}-${seed}-${number}`);
  await mkdir(dir, { recursive: true });
  for (const [name, bytes] of Object.entries(inputs)) await writeFile(`${stem}.${name}.bin`, bytes);
  const facts = { seed, target, number, problem, inputs: Object.keys(inputs) };
  await writeFile(`${stem}.json`, `${JSON.stringify(facts, null, 2)}\n`);
  return `${stem}.json`;
}

/** Throws for a file that {@link writeFinding} did not write. */
export async function readFinding(path: string): Promise<Replay> {
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!isReplay(json)) throw new Error(`${path} is no finding: it needs seed, target and number`);
  return { seed: json.seed, target: json.target, number: json.number };
}

function isReplay(json: unknown): json is Replay {
  if (typeof json !== 'object' || json === null) return false;
  if (!('seed' in json && 'target' in json && 'number' in json)) return false;
  const { seed, target, number } = json;
  return Number.isSafeInteger(seed) && Number.isSafeInteger(number) && typeof target === 'string';
}
