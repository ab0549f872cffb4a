import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allows, allowsAll, isGrant } from '../../../server/auth/grants.ts';

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
    ['push:a', 'pull', 'a', true],
    ['delete:a', 'pull', 'a', true],
    ['delete:a', 'push', 'a', false],
    ['push:a', 'delete', 'a', false],
    ['pull:a*b*c', 'pull', 'a-b-c', true],
    ['pull:a*b*c', 'pull', 'ac', false],
    ['pull:ab*ba', 'pull', 'aba', false],
  ] as const)('%s for %s on %s: %s', (grant, verb, repo, expected) => {
    expect(allows([grant], verb, repo)).toBe(expected);
  });

  it('reads everything only by **', () => {
    expect(allowsAll(['pull:**'])).toBe(true);
    expect(allowsAll(['push:**'])).toBe(true);
    expect(allowsAll(['pull:edge/**', 'pull:*'])).toBe(false);
  });

  it.each(['admin:**', 'push:', 'push', 'PUSH:a', 'push:A', 'push:a b'])('%s is none', (text) => {
    expect(isGrant(text)).toBe(false);
  });

  it('a name without wildcards grants exactly itself', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,6}(\/[a-z0-9]{1,6}){0,3}$/);
    fc.assert(
      fc.property(name, name, (granted, asked) => {
        expect(allows([`push:${granted}`], 'push', asked)).toBe(granted === asked);
      }),
    );
  });
});
