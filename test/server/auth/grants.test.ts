import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allows, allowsAll, isGrant } from '../../../server/auth/grants.ts';
import { matchesPattern } from '../../../server/auth/name-pattern.ts';
import { grantsByRule } from '../../../server/auth/principal.ts';

describe('grants', () => {
  it.each([
    ['push:edge/**', 'push', 'edge/app', true],
    ['push:edge/**', 'push', 'edge/a/b/c', true],
    ['push:edge/**', 'push', 'edge', true],
    ['push:edge/**', 'push', 'edges/app', false],
    ['push:edge/*', 'push', 'edge/app', true],
    ['push:edge/*', 'push', 'edge/a/b', false],
    ['push:edge/till-*', 'push', 'edge/till-7', true],
    ['push:edge/till-*', 'push', 'edge/tills', false],
    ['pull:**/app', 'pull', 'x/y/app', true],
    ['pull:**', 'pull', 'anything/at/all', true],
    ['pull:**', 'push', 'anything', false],
    ['pull:**', 'admin', 'anything', false],
    ['push:a', 'pull', 'a', true],
    ['delete:a', 'pull', 'a', true],
    ['delete:a', 'push', 'a', false],
    ['push:a', 'delete', 'a', false],
    ['admin:a/*', 'pull', 'a/b', true],
    ['admin:a/*', 'push', 'a/b', true],
    ['admin:a/*', 'delete', 'a/b', true],
    ['admin:a/*', 'admin', 'b', false],
    ['push:a', 'admin', 'a', false],
    ['pull:a*b*c', 'pull', 'a-b-c', true],
    ['pull:a*b*c', 'pull', 'ac', false],
    ['pull:ab*ba', 'pull', 'aba', false],
  ] as const)('%s for %s on %s: %s', (grant, verb, repo, expected) => {
    expect(allows([grant], verb, repo)).toBe(expected);
  });

  it('reads everything only by **, and runs the server only by admin:**', () => {
    expect(allowsAll(['pull:**'])).toBe(true);
    expect(allowsAll(['push:**'])).toBe(true);
    expect(allowsAll(['admin:**'])).toBe(true);
    expect(allowsAll(['pull:edge/**', 'pull:*', 'admin:edge/**'])).toBe(false);
    expect(allowsAll(['admin:**'], 'admin')).toBe(true);
    expect(allowsAll(['push:**', 'delete:**', 'admin:*/**'], 'admin')).toBe(false);
  });

  it.each(['own:**', 'push:', 'push', 'PUSH:a', 'push:A', 'push:a b', 'push:a\npull:b'])(
    '%j is none',
    (text) => {
      expect(isGrant(text)).toBe(false);
    },
  );

  it('a name without wildcards grants exactly itself', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,6}(\/[a-z0-9]{1,6}){0,3}$/);
    fc.assert(
      fc.property(name, name, (granted, asked) => {
        expect(allows([`push:${granted}`], 'push', asked)).toBe(granted === asked);
      }),
    );
  });
});

/** What a pattern means, as a regular expression over the whole name. */
function asExpression(pattern: string): RegExp {
  const parts = pattern.split('/').map((part) => {
    if (part === '**') return '(?:/[^/]*)*';
    const text = part.replace(/[.+?^${}()|[\]\\-]/g, '\\$&').replace(/\*+/g, '[^/]*');
    return `/${text}`;
  });
  return new RegExp(`^${parts.join('')}$`, 's');
}

describe('patterns', () => {
  // Few letters and many stars, so that a good part of the pairs match.
  const letters = fc.constantFrom('a', 'b', '-', '.', '*', '**', '/');
  const text = fc.array(letters, { minLength: 1, maxLength: 12 }).map((all) => all.join(''));

  it('mean what a regular expression made from them means', () => {
    const name = text.map((one) => one.replaceAll('*', ''));
    fc.assert(
      fc.property(text, name, (pattern, asked) => {
        expect(matchesPattern(pattern, asked)).toBe(asExpression(pattern).test(`/${asked}`));
      }),
      { numRuns: 5000 },
    );
  });

  it('take no time that grows beyond the product of the lengths', () => {
    const pattern = `${'**/a/'.repeat(50)}**/b`;
    expect(matchesPattern(pattern, 'a/'.repeat(127) + 'a')).toBe(false);
    expect(matchesPattern('*a'.repeat(60) + 'b', 'a'.repeat(255))).toBe(false);
  });
});

describe('rules by principal', () => {
  it.each([
    ['token:ci', ['token:ci'], true],
    ['token:ci', ['token:ci2'], false],
    ['token:ci-*', ['token:ci-7'], true],
    ['token:*', ['cn:ci'], false],
    ['uri:spiffe://fleet.example/edge/*', ['uri:spiffe://fleet.example/edge/till'], true],
    ['uri:spiffe://fleet.example/edge/*', ['uri:spiffe://fleet.example/edge/a/b'], false],
    ['uri:spiffe://fleet.example/**', ['uri:spiffe://fleet.example/edge/a/b'], true],
    ['uri:spiffe://fleet.example/**', ['uri:spiffe://fleet.example.evil/edge'], false],
    ['uri:**', ['uri:spiffe://any/where'], true],
    ['dns:*.Fleet.example', ['dns:a.fleet.example'], true],
    ['dns:*.fleet.example', ['dns:fleet.example'], false],
    ['cn:till', ['dns:till', 'cn:till'], true],
    ['anonymous', ['token:anonymous'], false],
  ])('%s is meant by %j: %s', (pattern, names, expected) => {
    const found = grantsByRule({ [pattern]: ['pull:x'] }, names);
    expect(found).toEqual(expected ? ['pull:x'] : []);
  });
});
