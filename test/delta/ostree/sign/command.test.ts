import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { CommandSigner } from '../../../../delta/ostree/sign/command-signer.ts';
import { runCommand, type Argv } from '../../../../delta/ostree/sign/run-command.ts';
import { rejectionOf } from '../code-of.ts';

/** A command that runs a line of JavaScript. */
const script = (line: string): Argv => [process.execPath, '-e', line];
const sign = (line: string, input: Uint8Array = Buffer.of(1)): Promise<Uint8Array> =>
  new CommandSigner('ostree.sign.ed25519', script(line)).sign(input);

describe('a signing command', () => {
  it('gets the bytes and gives the signature', async () => {
    const input = Buffer.alloc(3_000_000, 'abc');
    const line =
      "const h = require('crypto').createHash('sha512');" +
      "process.stdin.pipe(h).on('finish', () => process.stdout.write(h.digest()))";
    expect(Buffer.from(await sign(line, input))).toEqual(
      createHash('sha512').update(input).digest(),
    );
  });

  it('that fails is named with what it said', async () => {
    const fault = await rejectionOf(sign("console.error('the token is locked'); process.exit(3)"));
    expect(fault.code).toBe('unavailable');
    expect(fault.message).toContain('(3): the token is locked');
  });

  it('that is killed, or not there, is named', async () => {
    const killed = await rejectionOf(sign("process.kill(process.pid, 'SIGTERM')"));
    expect(killed.message).toContain('(killed)');
    const absent = new CommandSigner('ostree.gpgsigs', ['/nonexistent/signer']);
    const fault = await rejectionOf(absent.sign(Buffer.of(1)));
    expect(fault).toMatchObject({ code: 'unavailable' });
    expect(fault.message).toContain('/nonexistent/signer');
  });

  it('that gives no signature is refused', async () => {
    expect((await rejectionOf(sign(''))).message).toContain('gave 0 bytes');
    expect((await rejectionOf(sign('process.stdout.write(Buffer.alloc(65))'))).code).toBe(
      'bad_format',
    );
    const armor = new CommandSigner('ostree.gpgsigs', script("console.log('-----BEGIN PGP')"));
    expect((await rejectionOf(armor.sign(Buffer.of(1)))).message).toContain('no armor');
  });

  it('that never stops writing is stopped', async () => {
    const line = 'const b = Buffer.alloc(65536); (function go() { process.stdout.write(b, go) })()';
    expect((await rejectionOf(sign(line))).code).toBe('too_large');
  });

  it('that reads nothing does not hang on large input', async () => {
    const result = await runCommand(script('process.exit(0)'), {
      input: Buffer.alloc(10_000_000),
      maxOutputBytes: 10,
    });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('is ended when its caller gives up', async () => {
    const controller = new AbortController();
    const signer = new CommandSigner('ostree.gpgsigs', script('setInterval(() => {}, 1000)'));
    const signing = signer.sign(Buffer.of(1), { signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 50);
    expect((await rejectionOf(signing)).code).toBe('aborted');
    const again = signer.sign(Buffer.of(1), { signal: controller.signal });
    expect((await rejectionOf(again)).code).toBe('aborted');
  });
});
