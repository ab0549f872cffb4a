import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { RetentionFacts } from '../../../storage/catalog/retention-catalog.ts';
import { parseTag } from '../../../storage/names.ts';
import { planRepository } from '../../../storage/retention/plan.ts';
import type { RetentionPolicy, RetentionRule } from '../../../storage/retention/policy.ts';
import { named, REPO } from '../../suites/catalog/names.ts';

const DAY = 86_400_000;
const NOW = 1000 * DAY;

type Tagged = readonly [tag: string, digest: string, daysAgo: number];
type Untagged = readonly [digest: string, daysAgo: number, subject?: string | undefined];

interface Sketch {
  readonly tags?: readonly Tagged[];
  readonly manifests?: readonly Untagged[];
  readonly children?: readonly (readonly [parent: string, child: string])[];
  readonly use?: Partial<Record<'running' | 'decided' | 'offered' | 'followed', readonly string[]>>;
  readonly releases?: readonly (readonly [tag: string, digest: string])[];
}

function factsOf({ tags = [], manifests = [], children = [], use = {}, releases = [] }: Sketch) {
  const all = [...tags.map(([, digest, days]): Untagged => [digest, days]), ...manifests];
  const facts: RetentionFacts = {
    tags: tags.map(([tag, digest, days], n) => ({
      tag: parseTag(tag),
      digest: named(digest),
      pushedMs: NOW - days * DAY,
      releaseId: n,
    })),
    manifests: [...new Map(all.map((one) => [one[0], one])).values()].map(
      ([digest, days, subject]) => ({
        digest: named(digest),
        touchedMs: NOW - days * DAY,
        ...(subject !== undefined && { subject: named(subject) }),
      }),
    ),
    children: children.map(([parent, child]) => ({ parent: named(parent), child: named(child) })),
    releases: releases.map(([tag, digest]) => ({ tag: parseTag(tag), digest: named(digest) })),
    running: (use.running ?? []).map(named),
    decided: (use.decided ?? []).map(named),
    offered: (use.offered ?? []).map(named),
    followed: (use.followed ?? []).map(parseTag),
  };
  return facts;
}

const versions: RetentionRule = {
  name: 'versions',
  repositories: () => true,
  tags: { matches: (tag) => tag.startsWith('v'), last: 2, youngerThanMs: 30 * DAY },
};
const loose: RetentionRule = {
  name: 'loose',
  repositories: () => true,
  untagged: { youngerThanMs: 7 * DAY },
};

function plan(sketch: Sketch, rules: readonly RetentionRule[] = [versions, loose], releases = 1) {
  const policy: RetentionPolicy = { rules, releases, liveMs: DAY };
  return planRepository(REPO, factsOf(sketch), policy, NOW);
}

/** Tags, and texts of manifests, that go. */
function goingOf(sketch: Sketch, ...rest: [rules?: readonly RetentionRule[], releases?: number]) {
  const { tags, because } = plan(sketch, ...rest);
  const texts = [
    ...(sketch.tags ?? []).map(([, digest]) => digest),
    ...(sketch.manifests ?? []).map(([digest]) => digest),
  ];
  return {
    tags: tags.map(({ tag }) => String(tag)),
    manifests: [...new Set(texts)].filter((text) => because.has(named(text))),
  };
}

const tags: readonly Tagged[] = [
  ['v1', 'one', 90],
  ['v2', 'two', 60],
  ['stable', 'two', 60],
  ['v3', 'three', 20],
  ['v4', 'four', 10],
];

describe('tags', () => {
  test('the last stay, the young stay, what no rule is for stays; another tag holds its manifest', () => {
    expect(goingOf({ tags })).toEqual({ tags: ['v1', 'v2'], manifests: ['one'] });
    const { verdicts } = plan({ tags });
    expect(verdicts.map(({ tag, why }) => [tag, why])).toEqual([
      ['v1', 'versions'],
      ['v2', 'versions'],
      ['stable', 'no rule is for it'],
      ['v3', 'versions: one of the last 2'],
      ['v4', 'versions: one of the last 2'],
    ]);
  });

  test('the first rule that fits decides, in repositories that it is for', () => {
    const all = { ...versions, name: 'all', tags: { matches: () => true, last: 1 } };
    const elsewhere = { ...all, repositories: () => false };
    expect(goingOf({ tags }, [elsewhere, all]).tags).toEqual(['v1', 'v2', 'stable', 'v3']);
    const keepAll = { ...all, tags: { matches: () => true, last: 9 } };
    expect(goingOf({ tags }, [keepAll, all]).tags).toEqual([]);
  });

  test('what live devices follow or run stays, an index above it too', () => {
    const manifests: readonly Untagged[] = [['image', 90]];
    const children = [['one', 'image']] as const;
    const followed = goingOf({ tags, use: { followed: ['v1'] } });
    expect(followed).toEqual({ tags: ['v2'], manifests: [] });
    const run = { tags, manifests, children, use: { running: ['image'] } };
    expect(goingOf(run)).toEqual({ tags: ['v2'], manifests: [] });
    expect(plan(run).verdicts[0]).toMatchObject({ goes: false, why: 'live devices run it' });
  });

  test('a tag takes along images and referrers that nothing else holds, the youngest too', () => {
    const sketch: Sketch = {
      tags,
      manifests: [
        ['own', 90],
        ['shared', 90],
        ['signature', 0, 'one'],
        ['note', 0, 'signature'],
      ],
      children: [
        ['one', 'own'],
        ['one', 'shared'],
        ['four', 'shared'],
      ],
    };
    expect(goingOf(sketch, [versions])).toEqual({
      tags: ['v1', 'v2'],
      manifests: ['one', 'own', 'signature', 'note'],
    });
    const steps = plan(sketch, [versions]).stepsOf(parseTag('v1'));
    expect(steps.map((step) => step.length)).toEqual([1, 2, 1]);
    expect(steps[0]?.[0]?.digest).toBe(named('one'));
  });

  test('what two tags that go hold goes with the later', () => {
    const both: readonly Tagged[] = [['v1', 'one', 90], ['v2', 'one', 90], ...tags.slice(3)];
    const planned = plan({ tags: both });
    expect(planned.stepsOf(parseTag('v1'))).toEqual([]);
    expect(planned.stepsOf(parseTag('v2')).flat()).toHaveLength(1);
  });
});

describe('manifests without a tag', () => {
  const manifests: readonly Untagged[] = [
    ['old', 8],
    ['young', 6],
    ['signature of old', 9, 'old'],
    ['signature of young', 9, 'young'],
    ['of nothing', 9, 'gone'],
  ];

  test('the old go unless something that stays holds them', () => {
    expect(goingOf({ manifests }).manifests).toEqual(['old', 'signature of old', 'of nothing']);
    expect(goingOf({ manifests }, [versions]).manifests).toEqual([]);
    const children = [['young', 'old']] as const;
    expect(goingOf({ manifests, children }).manifests).toEqual(['of nothing']);
  });

  test('what a tag that goes would take along goes with them if they hold it', () => {
    const sketch: Sketch = { tags, manifests, children: [['old', 'one']] };
    const { stepsOf } = plan(sketch);
    expect(stepsOf(parseTag('v1'))).toEqual([]);
    const steps = stepsOf(undefined).map((step) => step.map(({ digest }) => digest));
    expect(steps).toEqual(
      [
        ['old', 'of nothing'],
        ['one', 'signature of old'],
      ].map((s) => s.map(named)),
    );
  });

  test.each(['running', 'decided', 'offered'] as const)('what is in use (%s) stays', (kind) => {
    const sketch: Sketch = { manifests, use: { [kind]: ['old'] } };
    expect(goingOf(sketch).manifests).toEqual(['of nothing']);
    expect(plan(sketch).verdicts.find(({ digest }) => digest === named('old'))?.goes).toBe(false);
  });

  test('a staying tag holds so many releases before it; one that goes holds none', () => {
    const releases = [
      ['stable', 'old'],
      ['stable', 'of nothing'],
      ['v1', 'two'],
    ] as const;
    const sketch: Sketch = { tags, manifests, releases };
    expect(goingOf(sketch).manifests).toEqual(['one', 'of nothing']);
    expect(goingOf(sketch, undefined, 2).manifests).toEqual(['one']);
    expect(goingOf(sketch, undefined, 0).manifests).toContain('old');
  });
});

test('whatever there is: nothing goes that stays for something, or is in use', () => {
  const name = fc.nat({ max: 9 }).map((n) => `m${n}`);
  const days = fc.constantFrom(1, 8, 40, 90);
  const sketches = fc.record({
    tags: fc.uniqueArray(
      fc.tuple(
        fc.nat({ max: 8 }).map((n) => (n > 6 ? `t${n}` : `v${n}`)),
        name,
        days,
      ),
      {
        selector: ([tag]) => tag,
      },
    ),
    manifests: fc.array(fc.tuple(name, days, fc.option(name, { nil: undefined })), {
      maxLength: 9,
    }),
    // Digests let nothing name itself, however far around.
    children: fc.array(fc.tuple(name, name).filter(([a, b]) => a < b)),
    use: fc.record({
      running: fc.array(name, { maxLength: 2 }),
      offered: fc.array(name, { maxLength: 1 }),
    }),
    releases: fc.array(fc.tuple(fc.constantFrom('v1', 'v2', 't7'), name), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(sketches, (sketch) => {
      const facts = factsOf(sketch);
      const { tags: going, because, stepsOf } = plan(sketch);
      const goes = (digest: (typeof facts.manifests)[number]['digest']) => because.has(digest);
      for (const { tag, digest } of facts.tags) {
        if (!going.some((one) => one.tag === tag)) expect(goes(digest)).toBe(false);
      }
      for (const digest of [...facts.running, ...facts.offered]) expect(goes(digest)).toBe(false);
      const known = new Set(facts.manifests.map(({ digest }) => digest));
      for (const { parent, child } of facts.children) {
        if (known.has(parent) && !goes(parent)) expect(goes(child)).toBe(false);
      }
      for (const { digest, subject } of facts.manifests) {
        if (subject !== undefined && known.has(subject) && !goes(subject)) {
          expect(goes(digest)).toBe(false);
        }
      }
      const steps = [...going.map(({ tag }) => tag), undefined].flatMap((tag) =>
        stepsOf(tag).flat(),
      );
      expect(steps.length).toBe(because.size);
    }),
    { numRuns: 500 },
  );
});
