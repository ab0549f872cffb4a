import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allows } from '../../../server/auth/grants.ts';
import {
  formatScopes,
  grantedScopes,
  grantsOfScopes,
  parseScopes,
} from '../../../server/auth/registry-scope.ts';

describe('scopes', () => {
  it.each([
    [['repository:a/b:pull'], 'repository:a/b:pull'],
    [['repository:a:push,pull'], 'repository:a:pull,push'],
    [
      ['repository:a:pull repository:b:delete', 'repository:a:push'],
      'repository:a:pull,push repository:b:delete',
    ],
    [['repository:a:*'], 'repository:a:pull,push,delete'],
    [['registry:catalog:*', 'repository:a:pull'], 'repository:a:pull registry:catalog:*'],
    [['repository:a:pull,fly'], 'repository:a:pull'],
    [['repository:a:', 'repository:a', 'a', '', ':', '::', ':::', 'repository::pull'], ''],
    [['repository:A:pull', 'repository:../a:pull', 'repository:a/:pull', 'repository:**:pull'], ''],
    [['repository(plugin):a:pull', 'artifact:a:pull', 'registry:other:*'], ''],
    [['repository:host:5000/a:pull', 'repository:a"b:pull', 'repository:a\nb:pull'], ''],
  ])('%j: %j', (texts, expected) => {
    expect(formatScopes(parseScopes(texts))).toBe(expected);
  });

  it('are bounded in number', () => {
    const many = Array.from({ length: 1000 }, (_, n) => `repository:r${n}:pull`);
    expect(parseScopes([many.join(' ')])).toHaveLength(100);
  });

  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom('repository', 'registry', ':', 'a', '/', '*', ',', 'pull', ' ', '..'),
        {
          maxLength: 12,
        },
      )
      .map((parts) => parts.join('')),
  );

  it('of whatever text are read, and written so that they read the same', () => {
    fc.assert(
      fc.property(fc.array(anything), (texts) => {
        const scopes = parseScopes(texts);
        expect(formatScopes(scopes)).toMatch(/^[a-z0-9:,/._* -]*$/);
        expect(parseScopes([formatScopes(scopes)])).toEqual(scopes);
      }),
      { numRuns: 2000 },
    );
  });

  it('never hold more than the grants do', () => {
    const name = fc.stringMatching(/^[ab]{1,2}(\/[ab]{1,2}){0,2}$/);
    const verb = fc.constantFrom('pull' as const, 'push' as const, 'delete' as const);
    const pattern = fc.stringMatching(/^([ab*]{1,3}|\*\*)(\/([ab*]{1,2}|\*\*)){0,2}$/);
    const grant = fc.tuple(fc.constantFrom('pull', 'push', 'delete', 'admin'), pattern);
    fc.assert(
      fc.property(
        fc.array(grant),
        fc.array(fc.tuple(name, verb)),
        name,
        verb,
        (given, asked, on, to) => {
          const grants = given.map(([what, where]) => `${what}:${where}`);
          const scopes = parseScopes(asked.map(([repo, action]) => `repository:${repo}:${action}`));
          const scoped = grantsOfScopes(grantedScopes(scopes, grants));
          if (allows(scoped, to, on)) expect(allows(grants, to, on)).toBe(true);
          for (const [repo, action] of asked) {
            expect(allows(scoped, action, repo)).toBe(allows(grants, action, repo));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
