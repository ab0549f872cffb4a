import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isMet } from '../../bench/engine/goals.ts';
import { AFTER, BEFORE, UNCHANGED } from '../../bench/ostree/corpus/debian-packages.ts';
import { debianRecipe, parsePackages } from '../../bench/ostree/corpus/debian-recipe.ts';
import { medianGenerated, type Generated } from '../../bench/ostree/generate/generated.ts';
import { ostreeGoals } from '../../bench/ostree/goals.ts';
import { parseOstreeOptions } from '../../bench/ostree/options.ts';
import type { Traffic } from '../../bench/ostree/pull/counting-proxy.ts';
import { medianPull } from '../../bench/ostree/pull/median-pull.ts';
import { RequestHeads } from '../../bench/ostree/pull/request-heads.ts';
import { requestKind } from '../../bench/ostree/pull/request-kind.ts';
import { ostreeMarkdown } from '../../bench/ostree/report.ts';
import { OURS, type CaseResult, type PullResult } from '../../bench/ostree/results.ts';
import { parseChecksum } from '../../delta/ostree/objects/checksum.ts';

/** What one run measured of the Debian root. */
function generated(parts: number, cpuSeconds: number, peakBytes: number): Generated {
  const bytes = { superblock: 25_000, parts, fallbacks: 0, partCount: 2, fallbackCount: 0 };
  return { bytes, cost: { cpuSeconds, wallSeconds: cpuSeconds, peakBytes }, proved: undefined };
}

function traffic(parts: number, objects: number, objectRequests: number): Traffic {
  return {
    document: { requests: 5, bytes: 5000 },
    superblock: { requests: 1, bytes: 25_000 },
    part: { requests: 2, bytes: parts },
    object: { requests: objectRequests, bytes: objects },
  };
}

function pull(
  kind: PullResult['kind'],
  client: string,
  server: string,
  taken: Traffic,
): PullResult {
  return { kind, client, server, title: server, traffic: taken, wallSeconds: 1, rounds: [1] };
}

const FACTS = {
  from: parseChecksum('0'.repeat(64)),
  to: parseChecksum('1'.repeat(64)),
  before: { files: 1141, bytes: 11_300_000 },
  after: { files: 1141, bytes: 11_400_000 },
  gone: [],
  scratch: generated(4_230_854, 12.7, 261e6),
};

const DEBIAN: CaseResult = {
  ...FACTS,
  ...{ name: 'debian', title: 'Debian root', peer: 'ostree' },
  generators: [
    {
      ...{ name: OURS, title: OURS },
      generated: {
        ...generated(1_335_000, 5.5, 190e6),
        proved: { cpuSeconds: 7, wallSeconds: 7, peakBytes: 197e6 },
      },
    },
    { name: 'ostree', title: 'ostree', generated: generated(1_675_000, 9.2, 196e6) },
  ],
  pulls: [
    pull('update', '2022.7', OURS, traffic(1_335_000, 0, 0)),
    pull('update', '2022.7', 'ostree', traffic(1_675_000, 4_962_980, 569)),
    pull('update', '2026.4', OURS, traffic(1_400_000, 0, 0)),
    pull('update', '2026.4', 'ostree', traffic(1_675_000, 0, 0)),
    pull('scratch', '2022.7', OURS, traffic(4_230_000, 0, 0)),
    pull('scratch', '2022.7', 'ostree', traffic(0, 5_868_810, 1405)),
  ],
};

describe('the Debian roots', () => {
  it('hold each package once, and the same ones before and after', () => {
    const [unchanged, before, after] = [UNCHANGED, BEFORE, AFTER].map((lines) =>
      parsePackages(lines),
    );
    const names = (list = before): readonly string[] => (list ?? []).map(({ name }) => name);
    expect(names(before)).toEqual(names(after));
    const all = [...names(unchanged), ...names(before)];
    expect(new Set(all).size).toBe(all.length);
    expect(names(after).length).toBeGreaterThanOrEqual(60);
    const digests = [...(before ?? []), ...(after ?? [])].map(({ sha256 }) => sha256);
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('are other inputs when they are the small ones', () => {
    const [whole, quick] = [false, true].map((isQuick) => debianRecipe({ quick: isQuick }));
    expect(quick?.inputs).not.toBe(whole?.inputs);
    expect(quick?.title).toBe('Debian root, 6 of 7 packages updated');
  });

  it('take no line that is none', () => {
    expect(() => parsePackages('abc pool/main/a.deb')).toThrow('not a package');
  });
});

describe('requests', () => {
  it('are of four kinds', () => {
    const kinds = [
      '/ostree/bench/os/deltas/ab/cdef-gh/superblock',
      '/deltas/ab/cdef/12',
      '/objects/00/11.filez',
      '/objects/00/11.commitmeta',
      '/delta-indexes/ab/cd.index',
      '/summary',
    ].map(requestKind);
    expect(kinds).toEqual(['superblock', 'part', 'object', 'document', 'document', 'document']);
  });

  it('are found wherever the bytes are cut', () => {
    const targets = ['/summary.sig', '/summary', '/deltas/ab/cd/0'];
    const text = targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const heads = new RequestHeads();
        const found = places.slice(1).flatMap((end, index) => {
          return heads.add(Buffer.from(text.slice(places[index], end)));
        });
        expect(found).toEqual(targets);
      }),
    );
  });

  it('that have a body, or no end, are none of an ostree client', () => {
    const post = Buffer.from('POST / HTTP/1.1\r\n\r\n');
    expect(() => new RequestHeads().add(post)).toThrow('no request');
    expect(() => new RequestHeads().add(Buffer.alloc(70_000, 'a'))).toThrow('without an end');
  });
});

describe('the marks', () => {
  const measured = (cases: readonly CaseResult[]) =>
    Object.fromEntries(
      ostreeGoals(cases, ['2022.7', '2026.4']).map((goal) => [
        goal.title,
        goal.measured === undefined ? undefined : [Number(goal.measured.toFixed(3)), isMet(goal)],
      ]),
    );

  it('are ratios against the stock tool, or bytes', () => {
    expect(measured([DEBIAN])).toEqual({
      'Debian update, bytes over the wire against stock delta and nginx, client 2022.7': [
        0.205,
        true,
      ],
      'Debian update, bytes over the wire against stock delta and nginx, client 2026.4': [
        0.839,
        false,
      ],
      'Debian update, bytes of the delta alone against stock': [0.8, true],
      'node update, over the wire, client 2022.7': undefined,
      'node update, over the wire, client 2026.4': undefined,
      'Debian, processor time of generating against stock': [0.598, true],
      'Debian, peak memory of generating, ours with its proof, against stock': [1.005, false],
      'node, processor time of generating against stock': undefined,
      'node, peak memory of generating, ours with its proof, against stock': undefined,
      'Debian from scratch, requests against loose objects, client 2022.7': [0.006, true],
      'Debian from scratch, bytes against loose objects, client 2022.7': [0.722, true],
      'Debian from scratch, requests against loose objects, client 2026.4': undefined,
      'Debian from scratch, bytes against loose objects, client 2026.4': undefined,
    });
  });

  it('count the whole pull of node', () => {
    const node: CaseResult = {
      ...{ ...DEBIAN, name: 'node' },
      pulls: [pull('update', '2022.7', OURS, traffic(1_470_000, 1, 1))],
    };
    expect(measured([node])['node update, over the wire, client 2022.7']).toEqual([1.5, false]);
  });

  it('stand over tables whose lines are all as wide', () => {
    const text = ostreeMarkdown(['A line.'], ostreeGoals([DEBIAN], ['2022.7']), [DEBIAN]);
    expect(text).toMatch(/\| rivulet, with its proof +\| +\| +\| +\| +\| +7\.0 \|/);
    expect(text).toMatch(/\| 2022\.7 from ostree +\| 6,667,980 \| +577 \| +4,962,980 \| +569 \|/);
    const tables = text.split('\n\n').filter((block) => block.startsWith('|'));
    expect(tables.length).toBe(4);
    for (const table of tables) {
      expect(new Set(table.split('\n').map((line) => line.split('|').length)).size).toBe(1);
    }
  });
});

describe('rounds', () => {
  it('of pulls are told by the one in the middle, of two by the smaller', () => {
    const turns = [3, 1, 2].map((bytes) => ({
      traffic: traffic(bytes, 0, 0),
      wallSeconds: bytes,
    }));
    expect(medianPull(turns)).toMatchObject({
      traffic: { part: { bytes: 2 } },
      wallSeconds: 2,
      rounds: [30_003, 30_001, 30_002],
    });
    expect(medianPull(turns.slice(0, 2)).traffic.part.bytes).toBe(1);
    expect(() => medianPull([])).toThrow('no rounds');
  });

  it('of generating are medians of each cost', () => {
    const turns = [generated(1, 3, 10), generated(1, 1, 30), generated(1, 2, 20)];
    expect(medianGenerated(turns).cost).toEqual({ cpuSeconds: 2, wallSeconds: 2, peakBytes: 20 });
    expect(medianGenerated(turns).proved).toBeUndefined();
  });
});

describe('options', () => {
  it('have defaults, and names by commas or one by one', () => {
    expect(parseOstreeOptions([])).toMatchObject({ only: ['debian', 'node'], rounds: 3 });
    expect(parseOstreeOptions(['--quick'])).toMatchObject({ only: ['debian'], rounds: 1 });
    expect(parseOstreeOptions(['--only', 'node,debian']).only).toEqual(['node', 'debian']);
  });

  it('refuse what is none of them', () => {
    expect(() => parseOstreeOptions(['--only', 'fedora'])).toThrow('there are debian, node');
    expect(() => parseOstreeOptions(['--rounds', '0'])).toThrow('--rounds 0');
    expect(() => parseOstreeOptions(['--fast'])).toThrow();
  });
});
