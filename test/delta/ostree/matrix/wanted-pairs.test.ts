import { expect, it } from 'vitest';

import { wantedOstreePairs } from '../../../../delta/ostree/matrix/wanted-pairs.ts';
import { parseOstreeRef } from '../../../../storage/ostree/ref-name.ts';
import { OTHER, REPO } from '../../../suites/catalog/names.ts';
import { MAIN, sum } from '../../../suites/catalog/ostree-names.ts';

const commits = ['4', '3', '2', '1'].map(sum);

it('wants the last commits to the newest, and one from scratch', () => {
  const pairs = wantedOstreePairs([{ repo: REPO, ref: MAIN, commits }], [], { releases: 2 });
  expect(pairs.map(({ from, to }) => [from, to])).toEqual([
    [sum('3'), sum('4')],
    [sum('2'), sum('4')],
    [undefined, sum('4')],
  ]);
});

it('wants what devices run that follow the ref, each once and never the newest itself', () => {
  const run = (current: string, channel = MAIN, product = REPO) => ({
    product,
    channel,
    current: sum(current),
  });
  const live = [
    run('0'),
    run('3'),
    run('4'),
    run('other ref', parseOstreeRef('os/beta')),
    run('other repository', MAIN, OTHER),
  ];
  const pairs = wantedOstreePairs([{ repo: REPO, ref: MAIN, commits }], live, { releases: 1 });
  expect(pairs.map(({ from }) => from)).toEqual([sum('3'), sum('0'), undefined]);
});

it('wants what refs share once, and nothing of a ref without commits', () => {
  const beta = parseOstreeRef('os/beta');
  const pairs = wantedOstreePairs(
    [
      { repo: REPO, ref: MAIN, commits },
      { repo: REPO, ref: beta, commits: [sum('4'), sum('1')] },
      { repo: REPO, ref: parseOstreeRef('os/none'), commits: [] },
    ],
    [],
    { releases: 1 },
  );
  expect(pairs.map(({ ref, from }) => [ref, from])).toEqual([
    [MAIN, sum('3')],
    [MAIN, undefined],
    [beta, sum('1')],
  ]);
});
