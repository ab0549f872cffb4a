import fc from 'fast-check';

import { IMAGES, INDEXES, pickOf, REFERRERS, REFS, REPOS, TAGS, TREES } from './material.ts';
import { checkBeside } from './check-requests.ts';
import { makeForm } from './form-requests.ts';
import { deleteManifest, deleteTag, pushDocument } from './image-requests.ts';
import { updateDevice } from './fleet-requests.ts';
import { deleteRef, pushCommit, seeDevice } from './ostree-requests.ts';
import type { Request } from './request.ts';
import { publishStaticDelta, retireStaticDeltas } from './static-delta-requests.ts';
import { retainByPolicy } from './retention-requests.ts';
import { appendUpload, commitUpload, startUpload } from './upload-requests.ts';
import { chunkLayer, collect, publishDelta, retireDeltas, sweepUploads } from './work-requests.ts';
import { HOUR, MINUTE } from './world.ts';

/** What each command does; `n` picks what it does it to. */
const OPERATIONS = {
  pushImage: (request, { repo, n, tag }) =>
    pushDocument(request, pickOf(IMAGES, n), { ...options(repo, n), tag: tagOf(tag) }),
  pushIndex: (request, { repo, n, tag }) =>
    pushDocument(request, pickOf(INDEXES, n), { ...options(repo, n), tag: tagOf(tag) }),
  pushReferrer: (request, { repo, n }) =>
    pushDocument(request, pickOf(REFERRERS, n), { ...options(repo, n), tag: undefined }),
  deleteTag: (request, { repo, tag }) => deleteTag(request, pickOf(REPOS, repo), pickOf(TAGS, tag)),
  deleteManifest: (request, { repo, n }) => deleteManifest(request, pickOf(REPOS, repo), n),
  startUpload: (request, { n }) => startUpload(request, n),
  appendUpload: (request, { n }) => appendUpload(request, n),
  commitUpload: (request, { n }) => commitUpload(request, n),
  chunkLayer: (request) => chunkLayer(request),
  publishDelta: (request, { n }) => publishDelta(request, n % 2),
  retireDeltas: (request) => retireDeltas(request),
  makeForm: (request, { repo, n }) => makeForm(request, pickOf(REPOS, repo), n),
  publishStaticDelta: (request, { repo, n }) =>
    publishStaticDelta(request, pickOf(REPOS, repo), n % 2 === 0),
  retireStaticDeltas: (request) => retireStaticDeltas(request),
  pushCommit: (request, { repo, n, tag }) =>
    pushCommit(request, pickOf(REPOS, repo), pickOf(REFS, tag), pickOf(TREES, n)),
  deleteRef: (request, { repo, tag }) => deleteRef(request, pickOf(REPOS, repo), pickOf(REFS, tag)),
  seeDevice: (request, { repo, tag }) => seeDevice(request, pickOf(REPOS, repo), pickOf(REFS, tag)),
  updateDevice: (request, { repo, n, tag }) =>
    updateDevice(request, pickOf(REPOS, repo), pickOf(TAGS, tag), {
      device: n % 2,
      installs: n < 3,
    }),
  retain: (request) => retainByPolicy(request),
  sweepUploads: (request) => sweepUploads(request),
  collect: (request) => collect(request),
  check: (request, { n }) => checkBeside(request, n % 2 === 0),
} satisfies Record<string, (request: Request, picks: Picks) => Promise<void>>;

interface Picks {
  readonly repo: number;
  readonly n: number;
  readonly tag: number;
}

/** An operation that begins while others are on their way; with `dies` it ends after so many steps. */
export interface Operation extends Picks {
  readonly do: keyof typeof OPERATIONS;
  readonly dies?: number | undefined;
}

/** `settle`: all that is on its way ends first. */
export type Command =
  Operation | { readonly do: 'wait'; readonly ms: number } | { readonly do: 'settle' };

/** What looks at the whole store may be on its way for long; all else is a request, which ends within minutes. */
export function isCollector({ do: name }: Operation): boolean {
  return ['collect', 'sweepUploads', 'retain', 'check'].includes(name);
}

export function perform(operation: Operation, request: Request): Promise<void> {
  return OPERATIONS[operation.do](request, operation);
}

function options(repo: number, n: number) {
  return { repo: pickOf(REPOS, repo), mount: n % 2 === 0 };
}

/** Two in three pushes have a tag. */
function tagOf(n: number) {
  return TAGS[n];
}

const WEIGHTS: Readonly<Record<keyof typeof OPERATIONS, number>> = {
  pushImage: 8,
  pushIndex: 3,
  pushReferrer: 2,
  deleteTag: 1,
  deleteManifest: 2,
  startUpload: 2,
  appendUpload: 2,
  commitUpload: 3,
  chunkLayer: 4,
  publishDelta: 3,
  retireDeltas: 1,
  makeForm: 4,
  publishStaticDelta: 3,
  retireStaticDeltas: 1,
  pushCommit: 5,
  deleteRef: 1,
  seeDevice: 2,
  updateDevice: 6,
  retain: 3,
  sweepUploads: 1,
  collect: 7,
  check: 3,
};

const weighted = Object.keys(WEIGHTS).map((name) => ({
  arbitrary: fc.constant(name as keyof typeof OPERATIONS),
  weight: WEIGHTS[name as keyof typeof OPERATIONS],
}));
const picks = { repo: fc.nat({ max: 1 }), n: fc.nat({ max: 3 }), tag: fc.nat({ max: 5 }) };
const dies = fc.option(fc.nat({ max: 15 }), { nil: undefined, freq: 5 });
const operation: fc.Arbitrary<Operation> = fc.record({ do: fc.oneof(...weighted), ...picks, dies });
const collection: fc.Arbitrary<Operation> = fc.record({
  do: fc.constantFrom('collect' as const, 'collect' as const, 'retain' as const, 'check' as const),
  ...picks,
  dies,
});
const deletion: fc.Arbitrary<Operation> = fc.record({
  do: fc.constantFrom('deleteManifest' as const, 'deleteManifest' as const, 'deleteRef' as const),
  ...picks,
  dies: fc.constant(undefined),
});
const wait = (...ms: readonly number[]): fc.Arbitrary<Command> =>
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(...ms) });
const short = wait(10_000, 6 * MINUTE, 0.6 * HOUR);

/** An image, then two forms of what is there: a form alone would rarely find a manifest. */
const formed: fc.Arbitrary<readonly Command[]> = fc
  .record({ image: fc.record(picks), other: fc.nat({ max: 3 }), dies })
  .map(({ image, other, dies: after }) => [
    { do: 'pushImage', ...image },
    { do: 'settle' },
    { do: 'makeForm', ...image, n: 0 },
    { do: 'makeForm', ...image, n: other, dies: after },
  ]);

/**
 * Something happens and gets old; then collectors run beside operations of which some do the same again,
 * so that they rely on what is just being removed.
 */
const round: fc.Arbitrary<readonly Command[]> = fc
  .record({
    forms: fc.oneof({ arbitrary: fc.constant([]), weight: 2 }, { arbitrary: formed, weight: 1 }),
    before: fc.array(operation, { minLength: 1, maxLength: 4 }),
    deletions: fc.array(deletion, { maxLength: 3 }),
    pause: fc.oneof({ arbitrary: wait(2 * HOUR), weight: 5 }, { arbitrary: short, weight: 1 }),
    again: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    beside: fc.array(
      fc.oneof({ arbitrary: operation, weight: 5 }, { arbitrary: short, weight: 1 }),
      { maxLength: 3 },
    ),
    collections: fc.array(collection, { minLength: 1, maxLength: 2 }),
    order: fc.array(fc.nat({ max: 100 }), { minLength: 8, maxLength: 8 }),
  })
  .map(({ forms, before, deletions, pause, again, beside, collections, order }) => {
    const repeated = again.map((n) => ({ ...pickOf(before, n), dies: undefined }));
    const busy: readonly Command[] = [...collections, ...repeated, ...beside];
    const shuffled = busy
      .map((command, n) => ({ command, at: order[n] ?? 0 }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ command }) => command);
    const settle: Command = { do: 'settle' };
    return [...forms, ...before, settle, ...deletions, settle, pause, ...shuffled, settle];
  });

export const commands: fc.Arbitrary<readonly Command[]> = fc
  .array(round, { minLength: 1, maxLength: 4, size: 'max' })
  .map((rounds) => rounds.flat());
/** Which of those that wait goes on, and for how many steps, again and again. */
export const schedules: fc.Arbitrary<readonly number[]> = fc.array(fc.nat({ max: 100_000 }), {
  minLength: 1,
  maxLength: 200,
  size: 'max',
});
