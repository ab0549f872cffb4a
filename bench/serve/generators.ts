import { findTool, needTool } from '../tools.ts';
import { autocannonGenerator } from './load/autocannon.ts';
import { curlGenerator } from './load/curl.ts';
import type { Generator } from './load/load.ts';
import { wrkGenerator } from './load/wrk.ts';

export type GeneratorName = 'small' | 'autocannon' | 'large';

/** For small blobs wrk where it is installed, else autocannon; throws if curl is not installed. */
export async function findGenerators(): Promise<Readonly<Record<GeneratorName, Generator>>> {
  const autocannon = autocannonGenerator();
  const wrk = await findTool('wrk', ['-v']);
  const curl = await needTool('curl', ['--version'], 'apt-get install curl');
  return {
    small: wrk === undefined ? autocannon : wrkGenerator(wrk),
    autocannon,
    large: curlGenerator(curl),
  };
}
