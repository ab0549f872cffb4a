import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { noise } from '../chunk/material.ts';
import { file, smallCommit } from './objects.ts';

export const MAIN = parseOstreeRef('os/main');

export interface KillOptions {
  readonly data: string;
  /** From 1; 0 is never. */
  readonly killAt: number;
  readonly work: 'push' | 'collect';
}

/** Two commits that share a file. */
export function killCommits() {
  const shared = file(noise(300_000, 'shared'));
  const first = smallCommit('one', [shared, file('hi\n')]);
  return [first, smallCommit('two', [shared, file(noise(100_000, 'new'))], first[0])] as const;
}
