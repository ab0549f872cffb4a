import { describe, expect, it } from 'vitest';

import { HotAnswers, type HotSource } from '../../../../server/http/hot/hot-answers.ts';
import type { AnswerParts } from '../../../../server/http/hot/ready-answer.ts';

const ID = 'i'.repeat(29);
const DATE = new Date(0).toUTCString();

class Source implements HotSource {
  now: number | undefined = 1;
  loads = 0;
  answer: (path: string) => Promise<AnswerParts | 'never' | undefined> = (path) =>
    Promise.resolve({
      route: 'r',
      headers: { 'Content-Length': path.length },
      body: Buffer.from(path),
    });

  epoch(): number | undefined {
    return this.now;
  }

  load(path: string): Promise<AnswerParts | 'never' | undefined> {
    this.loads += 1;
    return this.answer(path);
  }
}

describe('HotAnswers', () => {
  it('gives an answer out while its epoch lasts', async () => {
    const source = new Source();
    const answers = new HotAnswers(source, 75_000);
    expect(answers.get('/a', 1)).toBeUndefined();
    const loaded = await answers.load('/a');
    expect(answers.get('/a', 1)).toBe(loaded);
    expect(loaded?.stamp(ID, DATE).toString()).toBe(
      `HTTP/1.1 200 OK\r\nX-Request-Id: ${ID}\r\nContent-Length: 2\r\nDate: ${DATE}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n/a`,
    );
    expect(answers.get('/a', 2)).toBeUndefined();
  });

  it('loads once for all who ask under one epoch, and anew under the next', async () => {
    const source = new Source();
    const answers = new HotAnswers(source, 75_000);
    const first = answers.load('/a');
    expect(answers.load('/a')).toBe(first);
    source.now = 2;
    const second = answers.load('/a');
    expect(second).not.toBe(first);
    await Promise.all([first, second]);
    expect(source.loads).toBe(2);
    expect(answers.get('/a', 1)).toBeUndefined();
    expect(answers.get('/a', 2)).toBeDefined();
  });

  it('remembers what is never hot, and neither absence nor failure', async () => {
    const source = new Source();
    const answers = new HotAnswers(source, 75_000);
    source.answer = () => Promise.resolve('never');
    expect(await answers.load('/large')).toBeUndefined();
    expect(answers.isCold('/large')).toBe(true);
    source.answer = () => Promise.resolve(undefined);
    expect(await answers.load('/absent')).toBeUndefined();
    source.answer = () => Promise.reject(new Error('the disk'));
    expect(await answers.load('/broken')).toBeUndefined();
    expect(answers.isCold('/absent') || answers.isCold('/broken')).toBe(false);
    source.now = undefined;
    expect(await answers.load('/a')).toBeUndefined();
  });

  it('holds 64 MiB, and lets go first of what nobody asks for', async () => {
    const source = new Source();
    const answers = new HotAnswers(source, 75_000);
    source.answer = () =>
      Promise.resolve({ route: 'r', headers: {}, body: Buffer.alloc(1024 * 1024) });
    await answers.load('/wanted');
    for (let n = 0; n < 200; n += 1) {
      answers.get('/wanted', 1);
      await answers.load(`/${n}`);
    }
    expect(answers.get('/wanted', 1)).toBeDefined();
    const held = Array.from({ length: 200 }, (_, n) => answers.get(`/${n}`, 1)).filter(Boolean);
    expect(held.length).toBeGreaterThan(50);
    expect(held.length).toBeLessThan(64);
  });

  it('leaves bytes that a socket still holds alone', async () => {
    const answers = new HotAnswers(new Source(), 75_000);
    const answer = await answers.load('/a');
    const first = answer?.stamp('1'.repeat(29), DATE);
    answer?.giveAway();
    const second = answer?.stamp('2'.repeat(29), DATE);
    expect(first?.toString()).toContain('1'.repeat(29));
    expect(second?.toString()).toContain('2'.repeat(29));
  });
});
