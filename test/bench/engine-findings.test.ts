import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';

import { applyFindings } from '../../bench/apply/apply-findings.ts';
import { sizeFindings } from '../../bench/delta-size/size-findings.ts';
import { speedFindings } from '../../bench/delta-speed/speed-findings.ts';
import { parseAblations } from '../../bench/engine/ablation.ts';
import { barChart } from '../../bench/engine/bar-chart.ts';
import { goalTable, isMet, type Goal } from '../../bench/engine/goals.ts';
import { parseEngineOptions } from '../../bench/engine/options.ts';
import { REFERENCES } from '../../bench/engine/reference.ts';
import { commonRows, failuresOf, meanRatio, type Results } from '../../bench/engine/results.ts';
import type { Outcome } from '../../bench/engine/run-coder.ts';

interface Figures {
  readonly bytes?: number;
  readonly encodeCpu?: number;
  readonly encodePeak?: number;
  readonly decodeCpu?: number;
  readonly decodePeak?: number;
}

function done(figures: Figures): Outcome {
  const { bytes = 1, encodeCpu = 1, encodePeak = 1, decodeCpu = 1, decodePeak = 1 } = figures;
  return {
    state: 'done',
    deltaBytes: bytes,
    encode: { cpuSeconds: encodeCpu, wallSeconds: encodeCpu, peakBytes: encodePeak },
    decode: { cpuSeconds: decodeCpu, wallSeconds: decodeCpu, peakBytes: decodePeak },
  };
}

type Table = Readonly<Record<string, Readonly<Record<string, Figures | 'failed'>>>>;

/** Results from figures by pair and coder. */
function resultsOf(table: Table, newBytes = 100e6): Results {
  const names = [...new Set(Object.values(table).flatMap((row) => Object.keys(row)))];
  return {
    coders: names.map((name) => ({ name, title: name, tool: { name, version: '1.2.3' } })),
    rows: Object.entries(table).map(([pair, row]) => ({
      ...{ pair, newBytes },
      outcomes: Object.fromEntries(
        Object.entries(row).map(([name, figures]): [string, Outcome] => [
          name,
          figures === 'failed' ? { state: 'failed', reason: 'it broke' } : done(figures),
        ]),
      ),
    })),
    skipped: [],
    absent: [],
  };
}

function met(goals: readonly Goal[]): Record<string, boolean | undefined> {
  return Object.fromEntries(goals.map((goal) => [goal.title, isMet(goal)]));
}

const sketch = (pair: string): number => REFERENCES[pair]?.sketch ?? NaN;

describe('sizes', () => {
  const SMALL = 'small: bytes against the sketch, geometric mean';

  it('meet the goal by the geometric mean over the pairs of the list', () => {
    const at = (scale: number): Results =>
      resultsOf({
        'vips-arm': { 'rivulet-small': { bytes: sketch('vips-arm') * 0.5 * scale } },
        'vips-x64': { 'rivulet-small': { bytes: sketch('vips-x64') * 0.64 * scale } },
        other: { 'rivulet-small': { bytes: 1e9 } },
      });
    expect(met(sizeFindings(at(1)).goals)[SMALL]).toBe(true);
    expect(met(sizeFindings(at(1.02)).goals)[SMALL]).toBe(false);
    expect(met(sizeFindings(at(1)).goals)['fast: bytes against the sketch, geometric mean']).toBe(
      undefined,
    );
  });

  it('name the pairs that are larger than a peer, 64 bytes above the whole file allowed', () => {
    const { goals } = sizeFindings(
      resultsOf({
        a: { 'rivulet-small': { bytes: 164 }, hdiffpatch: { bytes: 164 }, full: { bytes: 100 } },
        b: { 'rivulet-small': { bytes: 166 }, hdiffpatch: { bytes: 165 }, full: { bytes: 101 } },
        c: { 'rivulet-small': { bytes: 166 }, hdiffpatch: 'failed', full: { bytes: 101 } },
      }),
    );
    expect(goals.slice(2)).toMatchObject([
      { measured: 1, over: 'b rivulet-small' },
      { measured: 2, over: 'b rivulet-small, c rivulet-small' },
    ]);
  });

  it('are shown per pair and as ratios to the first', () => {
    const results = resultsOf({
      a: { 'rivulet-small': { bytes: 1000 }, bsdiff: { bytes: 4000 } },
      b: { 'rivulet-small': { bytes: 1000 }, bsdiff: { bytes: 1000 } },
    });
    const [[, sizes] = []] = sizeFindings(results).sections;
    expect(sizes).toMatch(/^\| a +\| +100\.0 \| +1,000 \| +4,000 \|$/m);
    expect(sizes).toMatch(/geometric mean +\| +\| +1\.000 \| +0\.500 \|/);
  });
});

describe('speeds', () => {
  it('are judged by HDiffPatch in the same run, by sum and by geometric mean', () => {
    const { goals } = speedFindings(
      resultsOf({
        a: { 'rivulet-small': { encodeCpu: 1 }, hdiffpatch: { encodeCpu: 0.1 } },
        'node-x64': {
          'rivulet-small': { encodeCpu: 20, encodePeak: 401e6 },
          hdiffpatch: { encodeCpu: 20 },
        },
      }),
    );
    expect(met(goals)).toMatchObject({
      'small: processor time against HDiffPatch, all pairs together': true,
      'small: processor time against HDiffPatch, geometric mean': false,
      'small: peak memory of the whole process': false,
    });
  });

  it('are in MB of the new file beside the bare process when applying', () => {
    const bare = { 'rivulet-small': 50e6, 'rivulet-fast': 50e6 };
    const { goals, sections } = applyFindings(
      resultsOf({
        'node-x64': {
          'rivulet-small': { decodeCpu: 25, decodePeak: 66e6 },
          'rivulet-fast': { decodeCpu: 1.1, decodePeak: 60e6 },
        },
        other: { 'rivulet-fast': { decodePeak: 67e6 } },
      }),
      bare,
    );
    expect(met(goals)).toEqual({
      'small: memory beside the bare process': true,
      'fast: memory beside the bare process': false,
      'small: new MB per processor second': true,
      'fast: new MB per processor second': false,
    });
    const [, beside] = sections.at(-1) ?? [];
    expect(beside).toMatch(/^\| other +\| +100\.0 \| +failed \| +17\.0 \|$/m);
  });
});

describe('results', () => {
  const results = resultsOf({
    a: { x: { bytes: 1 }, y: { bytes: 2 }, z: 'failed' },
    b: { x: { bytes: 1 }, y: 'failed', z: 'failed' },
  });

  it('compare two coders over the pairs that both did', () => {
    expect(meanRatio(results.rows, ['x', 'y'], ({ deltaBytes }) => deltaBytes)).toBe(0.5);
    expect(meanRatio(results.rows, ['x', 'z'], ({ deltaBytes }) => deltaBytes)).toBeUndefined();
  });

  it('sum over the pairs that all did, one that did none aside', () => {
    expect(commonRows(results).map(({ pair }) => pair)).toEqual(['a']);
  });

  it('tell every failure', () => {
    expect(failuresOf(results)).toEqual([
      'z failed on a: it broke',
      'y failed on b: it broke',
      'z failed on b: it broke',
    ]);
  });

  it('show a goal that was not measured as that', () => {
    const bound = { kind: 'at most', value: 2 } as const;
    const table = goalTable([{ title: 'a', bound, unit: 'x', measured: undefined, over: '' }]);
    expect(table).toMatch(/\| a +\| at most 2x \| not measured \|/);
  });
});

describe('the chart', () => {
  it('has bars by their values, and follows the colour scheme', () => {
    const svg = barChart('a < b & "c"', [
      {
        title: 'first',
        bars: [
          { label: '<rivulet>', value: 5, text: '5 %', isOurs: true },
          { label: 'peer', value: 10, text: '10 %', isOurs: false },
          { label: 'none', value: 0, text: '0 %', isOurs: false },
        ],
      },
    ]);
    const parsed = new XMLParser({ ignoreAttributes: false }).parse(svg) as {
      svg: { style: string; text: unknown[]; rect: { '@_width': string; '@_class': string }[] };
    };
    expect(JSON.stringify(parsed.svg.text)).toContain('<rivulet>');
    const widths = parsed.svg.rect.map((rect) => Number(rect['@_width']));
    expect(widths[0]).toBeCloseTo((widths[1] ?? 0) / 2, 0);
    expect(widths[2]).toBe(1);
    expect(parsed.svg.rect[0]?.['@_class']).toBe('bar ours');
    expect(parsed.svg.style).toContain('prefers-color-scheme: dark');
  });
});

describe('options', () => {
  const DEFAULTS = { peers: ['hdiffpatch'], rounds: 3 };
  const parse = (...args: string[]): ReturnType<typeof parseEngineOptions> =>
    parseEngineOptions(args, DEFAULTS);

  it('have the defaults of the bench, and lists by commas or one by one', () => {
    expect(parse()).toMatchObject({
      peers: ['hdiffpatch'],
      profiles: ['small', 'fast'],
      rounds: 3,
    });
    expect(parse('--only', 'a,b', '--only', 'c').only).toEqual(['a', 'b', 'c']);
    expect(parse('--peers', 'none', '--profile', 'fast')).toMatchObject({
      peers: [],
      profiles: ['fast'],
    });
    expect(parse('--profile', 'none').profiles).toEqual([]);
  });

  it('refuse what is none of them', () => {
    expect(() => parse('--peers', 'courgette')).toThrow(/there are bsdiff, hdiffpatch/);
    expect(() => parse('--profile', 'tiny')).toThrow('--profile tiny');
    expect(() => parse('--rounds', '0')).toThrow('--rounds 0');
    expect(() => parse('--fast')).toThrow();
  });

  it('take steps to leave out as masks', () => {
    expect(parseAblations(['0x6', '8'])).toEqual([
      { name: '0x6', mask: 6 },
      { name: '8', mask: 8 },
    ]);
    expect(() => parseAblations(['0'])).toThrow('--ablate 0');
    expect(() => parseAblations(['nothing'])).toThrow('--ablate nothing');
  });
});
