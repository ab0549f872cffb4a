import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  checksumFromBase64,
  checksumToBase64,
  deltaIndexPath,
  deltaPath,
  parseDeltaIndexPath,
  parseDeltaPath,
} from '../../../delta/ostree/checksum-base64.ts';
import {
  appendSignature,
  formatCommitmeta,
  parseCommitmeta,
  signaturesOf,
} from '../../../delta/ostree/commitmeta.ts';
import { parseConfig } from '../../../delta/ostree/config.ts';
import {
  formatDeltaList,
  formatDeltaName,
  parseDeltaName,
} from '../../../delta/ostree/delta-list.ts';
import { parseDeltaIndex } from '../../../delta/ostree/delta-index.ts';
import { encodeVariant } from '../../../delta/ostree/gvariant/encode.ts';
import type { VariantValue } from '../../../delta/ostree/gvariant/value.ts';
import { checksumFromBytes, parseChecksum } from '../../../delta/ostree/objects/checksum.ts';
import { parseCollectionId, parseRefName } from '../../../delta/ostree/ref-name.ts';
import { parseSummaryFacts } from '../../../delta/ostree/summary-facts.ts';
import { formatSummary, parseSummary } from '../../../delta/ostree/summary.ts';
import { digestOf } from '../../../storage/digest.ts';
import { faultOf } from './code-of.ts';

const checksum = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => checksumFromBytes(b, 'x'));
const A = parseChecksum('a'.repeat(64));
const bad = (run: () => unknown): void => {
  expect(faultOf(run).code).toBe('bad_format');
};

describe('names of deltas', () => {
  it('are base64 with _ for / and a plain +', () => {
    const ones = parseChecksum('f'.repeat(64));
    expect(checksumToBase64(ones)).toBe(`${'_'.repeat(42)}8`);
    expect(checksumToBase64(parseChecksum('fb'.repeat(32)))).toBe('+_v7'.repeat(10) + '+_s');
    expect(deltaPath({ delta: { from: undefined, to: ones }, file: 'superblock' })).toBe(
      `deltas/__/${'_'.repeat(40)}8/superblock`,
    );
    expect(deltaPath({ delta: { from: ones, to: ones }, file: 3 })).toBe(
      `deltas/__/${'_'.repeat(40)}8-${'_'.repeat(42)}8/3`,
    );
    expect(deltaIndexPath(ones)).toBe(`delta-indexes/__/${'_'.repeat(40)}8.index`);
  });

  it('go both ways', () => {
    fc.assert(
      fc.property(
        fc.option(checksum, { nil: undefined }),
        checksum,
        fc.nat(9999),
        (from, to, part) => {
          const delta = { from, to };
          expect(checksumFromBase64(checksumToBase64(to))).toBe(to);
          expect(parseDeltaName(formatDeltaName(delta))).toEqual(delta);
          expect(parseDeltaIndexPath(deltaIndexPath(to))).toBe(to);
          for (const file of ['superblock', part] as const) {
            expect(parseDeltaPath(deltaPath({ delta, file }))).toEqual({ delta, file });
          }
        },
      ),
    );
  });

  it('are refused in any other form', () => {
    const name = checksumToBase64(A);
    const folder = `deltas/${name.slice(0, 2)}/${name.slice(2)}`;
    bad(() => checksumFromBase64(`${name.slice(0, -1)}B`));
    bad(() => checksumFromBase64(`${name}=`));
    bad(() => checksumFromBase64(name.slice(1)));
    bad(() => checksumFromBase64('/'.repeat(43)));
    for (const path of [
      folder,
      `${folder}/`,
      `${folder}/01`,
      `${folder}/-1`,
      `${folder}/superblock/x`,
      `${folder}/../x`,
      `/${folder}/0`,
      `${folder}-x/0`,
      `deltas/${name}/0`,
    ]) {
      bad(() => parseDeltaPath(path));
    }
    bad(() => parseDeltaIndexPath(`delta-indexes/${name}.index`));
    bad(() => parseDeltaName(`${A}-`));
    bad(() => parseDeltaName(`${A}-${A}-${A}`));
  });

  it('stand once in a list', () => {
    const one = { delta: { from: undefined, to: A }, superblock: digestOf(Buffer.of(1)) };
    bad(() => formatDeltaList([one, one]));
    const list: VariantValue = [[A, { type: 'ay', value: Buffer.alloc(31) }]];
    bad(() =>
      parseDeltaIndex(
        encodeVariant('a{sv}', [['ostree.static-deltas', { type: 'a{sv}', value: list }]]),
      ),
    );
    expect(parseDeltaIndex(Buffer.alloc(0))).toEqual([]);
  });
});

describe('refs and collections', () => {
  it.each(['main', 'os/x86_64/stable', '_a/1.2-3', 'a'])('%s is a ref', (text) => {
    expect(parseRefName(text)).toBe(text);
  });

  it.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '.a',
    '-a',
    'a/.b',
    '..',
    'a/../b',
    'a b',
    'a:b',
    'a^',
    'ä',
    'a\n',
    'x'.repeat(256),
    'a/'.repeat(600) + 'a',
    'a\0',
    'a%2e',
  ])('%j is no ref', (text) => {
    bad(() => parseRefName(text));
  });

  it.each(['org.example', 'org.example_1.Os'])('%s is a collection', (text) => {
    expect(parseCollectionId(text)).toBe(text);
  });

  it.each([
    '',
    'org',
    'org.',
    '.org',
    'org..x',
    'org.1x',
    'org.a-b',
    `a.${'x'.repeat(254)}`,
    'a.b\n',
  ])('%j is no collection', (text) => {
    bad(() => parseCollectionId(text));
  });
});

describe('a summary', () => {
  const type = '(a(s(taya{sv}))a{sv})';
  const ref = (name: string, size = 1n, commit: Uint8Array = Buffer.alloc(32)): VariantValue => [
    name,
    [size, commit, []],
  ];
  it.each<readonly [string, VariantValue]>([
    ['refs out of order', [[ref('b'), ref('a')], []]],
    ['a ref twice', [[ref('a'), ref('a')], []]],
    ['what is no ref', [[ref('../a')], []]],
    ['a short checksum', [[ref('a', 1n, Buffer.alloc(31))], []]],
    ['an absurd size', [[ref('a', 2n ** 60n)], []]],
  ])('with %s is refused', (_what, value) => {
    bad(() => parseSummary(encodeVariant(type, value)));
  });

  it('with a key of another type is refused', () => {
    bad(() => parseSummaryFacts([['ostree.summary.expires', { type: 's', value: 'x' }]]));
    bad(() => parseSummaryFacts([['ostree.summary.collection-id', { type: 's', value: 'x' }]]));
  });

  it('sorts its refs, and refuses one that stands twice', () => {
    const entry = (name: string) => ({
      ref: parseRefName(name),
      commit: A,
      commitBytes: 200,
      metadata: [],
    });
    const summary = { refs: [entry('b/c'), entry('B'), entry('b-c'), entry('a')], metadata: [] };
    const { refs } = parseSummary(formatSummary(summary));
    expect(refs.map(({ ref }) => ref)).toEqual(['B', 'a', 'b-c', 'b/c']);
    bad(() => formatSummary({ refs: [entry('a'), entry('a')], metadata: [] }));
  });
});

describe('commitmeta', () => {
  it('keeps what it holds when signatures are added, in order and once', () => {
    const other = ['xa.note', { type: 's', value: 'kept' }] as const;
    const first = appendSignature([other], 'ostree.gpgsigs', Buffer.of(1));
    const second = appendSignature(first, 'ostree.sign.ed25519', Buffer.of(2));
    const third = appendSignature(second, 'ostree.gpgsigs', Buffer.of(3));
    const again = appendSignature(third, 'ostree.gpgsigs', Buffer.of(1));
    const parsed = parseCommitmeta(formatCommitmeta(again));
    expect(parsed).toEqual([
      other,
      ['ostree.gpgsigs', { type: 'aay', value: [Buffer.of(1), Buffer.of(3)] }],
      ['ostree.sign.ed25519', { type: 'aay', value: [Buffer.of(2)] }],
    ]);
    expect(signaturesOf(parsed, 'ostree.gpgsigs')).toEqual([Buffer.of(1), Buffer.of(3)]);
    expect(signaturesOf([other], 'ostree.gpgsigs')).toEqual([]);
    expect(parseCommitmeta(Buffer.alloc(0))).toEqual([]);
  });

  it('with signatures of another type is refused', () => {
    bad(() => signaturesOf([['ostree.gpgsigs', { type: 's', value: 'x' }]], 'ostree.gpgsigs'));
  });
});

describe('config', () => {
  it('takes the modes by their names, bare when there is none', () => {
    expect(parseConfig('[core]\nrepo_version=1\n').mode).toBe('bare');
    expect(parseConfig('# x\n\n[a]\nmode=x\n[core]\nrepo_version=1\nmode = bare-user\n').mode).toBe(
      'bare-user',
    );
  });

  it.each([
    '',
    '[core]\nmode=archive\n',
    '[core]\nrepo_version=2\n',
    '[core]\nrepo_version=1\nmode=bare-split-xattrs\n',
    'repo_version=1\n',
    '[core]\nrepo_version=1\nnonsense\n',
    '[core]\nrepo_version=1\ncollection-id=x\n',
    ' '.repeat(2_000_000),
  ])('refuses %.40j', (text) => {
    bad(() => parseConfig(text));
  });
});
