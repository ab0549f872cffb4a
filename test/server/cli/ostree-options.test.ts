import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { multipart, type MultipartFile } from '../../../server/cli/ostree/multipart.ts';
import { checkOptions, kindOf, splitForm } from '../../../server/cli/ostree/push-kinds.ts';
import { branchOf, parseDepth } from '../../../server/cli/ostree/push-options.ts';
import { collect } from '../../delta/ostree/collect.ts';

describe('what rivulet push is asked to do', () => {
  it.each([
    ['ostree:./repo:main', undefined, 'commit'],
    ['ostree-archive:r.tar:main', 'b', 'commit'],
    ['rootfs:r.tar', undefined, 'image'],
    ['rootfs:r.tar', 'b', 'rootfs-commit'],
    ['oci:dir', undefined, 'image'],
    ['nothing', undefined, 'image'],
  ])('%s with branch %s is %s', (source, branch, kind) => {
    expect(kindOf(splitForm(source).form, branch)).toBe(kind);
  });

  it('takes only options that say something about it', () => {
    checkOptions('commit', { branch: 'b', depth: '1', force: true, server: 'x' });
    checkOptions('image', { wait: true, branch: undefined });
    const wrong = (): void => {
      checkOptions('image', { depth: '1' });
    };
    expect(wrong).toThrow('--depth is not for an image, but for an OSTree commit');
  });

  it('reads depths and branches', () => {
    expect([undefined, '0', '12'].map(parseDepth)).toEqual([0, 0, 12]);
    expect(parseDepth('all')).toBeGreaterThan(100_000);
    for (const text of ['-1', '1.5', '', 'x', '9999999']) {
      expect(() => parseDepth(text)).toThrow('--depth');
    }
    expect(branchOf(undefined, 'os/stable')).toBe('os/stable');
    expect(branchOf(undefined, 'origin:os/stable')).toBe('os/stable');
    expect(branchOf('other', 'a'.repeat(64))).toBe('other');
    expect(() => branchOf(undefined, 'a'.repeat(64))).toThrow('--branch');
    expect(() => branchOf('../x', 'a')).toThrow('../x');
  });
});

describe('a multipart body', () => {
  it('is what RFC 7578 says', async () => {
    const { contentType, body } = multipart(
      files([{ filename: 'a.dirmeta', bytes: [Buffer.from('one')] }]),
    );
    const [, boundary = ''] =
      /^multipart\/form-data; boundary=(rivulet-[0-9a-f]{32})$/.exec(contentType) ?? [];
    expect((await collect(body)).toString()).toBe(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.dirmeta"\r\n` +
        `Content-Type: application/octet-stream\r\n\r\none\r\n--${boundary}--\r\n`,
    );
  });

  it('is read back by others as it was', async () => {
    const contents = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(contents, async (all) => {
        const { contentType, body } = multipart(
          files(all.map((bytes, at) => ({ filename: `${at}.filez`, bytes: [bytes] }))),
        );
        const [, boundary = ''] = contentType.split('boundary=');
        // By its definition (RFC 2046, 5.1.1): what is between delimiters, after an empty line.
        const text = `\r\n${(await collect(body)).toString('latin1')}`;
        const [preamble, ...parts] = text.split(`\r\n--${boundary}`);
        expect([preamble, parts.pop()]).toEqual(['', '--\r\n']);
        const read = parts.map((part) => {
          const at = part.indexOf('\r\n\r\n');
          return [/filename="(.*)"/.exec(part.slice(0, at))?.[1], part.slice(at + 4)];
        });
        expect(read).toEqual(
          all.map((bytes, at) => [`${at}.filez`, Buffer.from(bytes).toString('latin1')]),
        );
      }),
      { numRuns: 30 },
    );
  });
});

async function* files(all: readonly MultipartFile[]): AsyncGenerator<MultipartFile, void> {
  yield* await Promise.resolve(all);
}
