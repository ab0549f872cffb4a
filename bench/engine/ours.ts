import { fileURLToPath } from 'node:url';

import type { Profile } from '../../delta/build.ts';
import { ABLATE } from '../../delta/engine/ablation.ts';
import type { Ablation } from './ablation.ts';
import type { Coder } from './coder.ts';

const RIVULET = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url));

export type { Profile } from '../../delta/build.ts';

/** The names of our coders. */
export const OURS = { small: 'rivulet-small', fast: 'rivulet-fast' } as const;

/** Ours, whole or with steps left out. */
export function isOurs(name: string): boolean {
  return name.startsWith('rivulet');
}

/** One of ours that leaves nothing out. */
export function isWhole(name: string): boolean {
  return name === OURS.small || name === OURS.fast;
}

export interface OursOptions {
  readonly profile: Profile;
  /** Have the build apply its delta too, which no peer does. */
  readonly proof: boolean;
  /** Steps of the engine to leave out. */
  readonly ablation?: Ablation;
}

/** The command line of the build that this bench belongs to. */
export function rivulet({ profile, proof, ablation }: OursOptions): Coder {
  const suffix = ablation === undefined ? '' : ` without ${ablation.name}`;
  const env = ablation === undefined ? {} : { [ABLATE]: String(ablation.mask) };
  return {
    name: `${OURS[profile]}${suffix.replaceAll(' ', '-')}`,
    title: `rivulet ${profile}${suffix}`,
    tool: { name: 'rivulet', version: 'this build' },
    encode: ({ oldFile, newFile, delta, run }) =>
      run(
        process.execPath,
        [
          ...[RIVULET, 'delta', 'build', '--old', oldFile, '--new', newFile],
          ...['--out', delta, '--profile', profile, ...(proof ? [] : ['--no-proof'])],
        ],
        env,
      ),
    decode: ({ oldFile, delta, made, run }) =>
      run(
        process.execPath,
        [RIVULET, 'delta', 'apply', '--old', oldFile, '--delta', delta, '--out', made],
        env,
      ),
  };
}
