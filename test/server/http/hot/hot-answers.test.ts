import { closeSync, fstatSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';

import { HotAnswers, type HotObject } from '../../../../server/http/hot/hot-answers.ts';
import type { HotSource } from '../../../../server/http/hot/hot-answers.ts';
import type { PlainRequest } from '../../../../server/http/hot/plain-request.ts';

const ID = 'i'.repeat(29);
const DATE = new Date(0).toUTCString();

function whole(target: string): PlainRequest {
  return { target, key: target, range: undefined };
}

function part(target: string): PlainRequest {
  return { target, key: `range ${target}`, range: { first: 0, last: 3 } };
}

function objectOf(content: HotObject['content'], size: number): HotObject {
  return { route: 'r', headers: { ETag: 'e' }, mediaType: 'm/t', size, content };
}

class Source implements HotSource {
  now: number | undefined = 1;
  loads = 0;
  answer: (path: string) => Promise<HotObject | 'never' | undefined> = (path) =>
    Promise.resolve(objectOf({ bytes: Buffer.from(path) }, path.length));

  epoch(): number | undefined {
    return this.now;
  }

  load(path: string): Promise<HotObject | 'never' | undefined> {
    this.loads += 1;
    return this.answer(path);
  }
}

const opened: HotAnswers[] = [];

function openAnswers(source: HotSource): HotAnswers {
  const answers = new HotAnswers(source, 75_000);
  opened.push(answers);
  return answers;
}

afterEach(() => {
  for (const answers of opened.splice(0)) answers.close();
});

describe('HotAnswers', () => {
  it('gives an answer out while its epoch lasts', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    expect(answers.get('/a', 1)).toBeUndefined();
    const loaded = await answers.load(whole('/a'));
    expect(answers.get('/a', 1)).toBe(loaded);
    const end = `Date: ${DATE}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n`;
    expect(loaded?.reply(undefined, ID, DATE)?.bytes.toString()).toBe(
      `HTTP/1.1 200 OK\r\nX-Request-Id: ${ID}\r\nETag: e\r\nContent-Type: m/t\r\nContent-Length: 2\r\n${end}/a`,
    );
    expect(loaded?.reply({ first: 1, last: undefined }, ID, DATE)?.bytes.toString()).toBe(
      `HTTP/1.1 206 Partial Content\r\nX-Request-Id: ${ID}\r\nETag: e\r\nContent-Type: m/t\r\nContent-Length: 1\r\nContent-Range: bytes 1-1/2\r\n${end}a`,
    );
    expect(loaded?.reply({ first: 2, last: undefined }, ID, DATE)).toBeUndefined();
    expect(answers.get('/a', 2)).toBeUndefined();
  });

  it('loads once for all who ask under one epoch, and anew under the next', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    const first = answers.load(whole('/a'));
    expect(answers.load(whole('/a'))).toBe(first);
    source.now = 2;
    const second = answers.load(whole('/a'));
    expect(second).not.toBe(first);
    await Promise.all([first, second]);
    expect(source.loads).toBe(2);
    expect(answers.get('/a', 2)).toBeDefined();
    expect(answers.get('/a', 1)).toBeUndefined();
  });

  it('remembers what is never hot, and neither absence nor failure', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    source.answer = () => Promise.resolve('never');
    expect(await answers.load(whole('/large'))).toBeUndefined();
    expect(answers.isCold('/large')).toBe(true);
    source.answer = () => Promise.resolve(undefined);
    expect(await answers.load(whole('/absent'))).toBeUndefined();
    source.answer = () => Promise.reject(new Error('the disk'));
    expect(await answers.load(whole('/broken'))).toBeUndefined();
    expect(answers.isCold('/absent') || answers.isCold('/broken')).toBe(false);
    source.now = undefined;
    expect(await answers.load(whole('/a'))).toBeUndefined();
  });

  it('holds 128 MiB, and lets go first of what nobody asks for', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    source.answer = () =>
      Promise.resolve(objectOf({ bytes: Buffer.alloc(1024 * 1024) }, 1024 * 1024));
    await answers.load(whole('/wanted'));
    for (let n = 0; n < 200; n += 1) {
      answers.get('/wanted', 1);
      await answers.load(whole(`/${n}`));
    }
    expect(answers.get('/wanted', 1)).toBeDefined();
    const held = Array.from({ length: 200 }, (_, n) => answers.get(`/${n}`, 1)).filter(Boolean);
    expect(held.length).toBeGreaterThan(100);
    expect(held.length).toBeLessThan(128);
  });

  it('leaves bytes that a socket still holds alone', async () => {
    const answers = openAnswers(new Source());
    const answer = await answers.load(whole('/a'));
    const first = answer?.reply(undefined, '1'.repeat(29), DATE)?.bytes;
    answer?.giveAway();
    const second = answer?.reply(undefined, '2'.repeat(29), DATE)?.bytes;
    expect(first?.toString()).toContain('1'.repeat(29));
    expect(second?.toString()).toContain('2'.repeat(29));
  });

  it('reads ranges of a file, and closes it when nobody asks any more', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    const fd = openSync(import.meta.filename, 'r');
    const { ino, size } = fstatSync(fd);
    source.answer = () => Promise.resolve(objectOf({ fd }, size));
    const answer = await answers.load(part('/file'));
    const reply = answer?.reply({ first: 0, last: 3 }, ID, DATE);
    expect(reply?.bytes.toString()).toMatch(/Content-Range: bytes 0-3\/\d+\r\n[^]*\r\n\r\nimpo$/);
    expect(answer?.reply(undefined, ID, DATE)).toBeUndefined();
    expect(answers.get('/file', 1)).toBeUndefined();
    const isOpen = (): boolean => {
      try {
        return fstatSync(fd).ino === ino;
      } catch {
        return false;
      }
    };
    expect(isOpen()).toBe(true);
    while (isOpen()) await sleep(50);
    expect(answers.get('range /file', 1)).toBeUndefined();
    expect(answer?.reply({ first: 0, last: 3 }, ID, DATE)).toBeUndefined();
  });

  it('closes a file that was still being opened when it was closed itself', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    const fd = openSync(import.meta.filename, 'r');
    source.answer = async () => {
      await sleep(10);
      return objectOf({ fd }, 100);
    };
    const loading = answers.load(part('/late'));
    answers.close();
    expect(await loading).toBeUndefined();
    expect(() => {
      closeSync(fd);
    }).toThrow(/EBADF/);
  });

  it('keeps at most 256 files open', async () => {
    const source = new Source();
    const answers = openAnswers(source);
    const fds: number[] = [];
    source.answer = () => {
      const fd = openSync(import.meta.filename, 'r');
      fds.push(fd);
      return Promise.resolve(objectOf({ fd }, 100));
    };
    for (let n = 0; n < 300; n += 1) await answers.load(part(`/${n}`));
    expect(answers.get('range /0', 1)).toBeUndefined();
    expect(answers.get('range /299', 1)).toBeDefined();
    answers.close();
    expect(fds).toHaveLength(300);
    expect(() => {
      closeSync(fds.at(-1) ?? -1);
    }).toThrow(/EBADF/);
  });
});
