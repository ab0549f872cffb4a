import { InvalidArgumentError, type Command } from 'commander';

import { isGrant } from '../../auth/grants.ts';
import { mintSecret, secretDigest } from '../../auth/tokens.ts';
import { ServerError } from '../../errors.ts';
import { createOutput } from '../output.ts';
import { addStoreFlags, withStore, type StoreFlags } from '../with-store.ts';

interface CreateOptions extends StoreFlags {
  readonly name: string;
  readonly allow: readonly string[];
  readonly expires?: number;
}

const UNIT_MS = { h: 3_600_000, d: 86_400_000 } as const;

/** `rivulet token`: who may push, pull and delete; takes effect at once on a running origin. */
export function addToken(program: Command): void {
  const token = program.command('token').description('create, list and revoke access tokens');
  addStoreFlags(token.command('create'))
    .description('create a token and print it, once')
    .requiredOption('--name <name>', 'what to call it')
    .requiredOption(
      '--allow <verb:pattern...>',
      'pull, push or delete on names: push:edge/**',
      grant,
    )
    .option('--expires <time>', 'such as 12h or 30d (default: never)', duration)
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet token create --name ci --allow push:edge/** --expires 30d',
    )
    .action(create);
  addStoreFlags(token.command('list'))
    .description('list the tokens and what they grant')
    .addHelpText('after', '\nExample:\n  $ rivulet token list')
    .action(list);
  addStoreFlags(token.command('revoke'))
    .description('revoke a token')
    .argument('<name>', 'its name')
    .addHelpText('after', '\nExample:\n  $ rivulet token revoke ci')
    .action(revoke);
}

async function create(options: CreateOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const { name, allow: grants } = options;
  const secret = mintSecret();
  const expiresMs = options.expires === undefined ? undefined : Date.now() + options.expires;
  await withStore(options, ({ catalog }) =>
    catalog.tokens.create(secretDigest(secret), { name, grants, expiresMs }),
  );
  output.event({ event: 'token', name, grants, expiresMs, token: secret });
  output.say(secret);
}

async function list(options: StoreFlags): Promise<void> {
  const output = createOutput(options.json === true);
  const tokens = await withStore(options, ({ catalog }) => catalog.tokens.list());
  for (const { name, grants, createdMs, expiresMs } of tokens) {
    output.event({ event: 'token', name, grants, createdMs, expiresMs });
    const until = expiresMs === undefined ? 'never expires' : `until ${isoTime(expiresMs)}`;
    output.say(`${name}  ${grants.join(' ')}  ${until}`);
  }
  if (tokens.length === 0) output.say('there are no tokens');
}

async function revoke(name: string, options: StoreFlags): Promise<void> {
  const output = createOutput(options.json === true);
  const revoked = await withStore(options, ({ catalog }) => catalog.tokens.revoke(name));
  if (!revoked) {
    throw new ServerError('not_found', `there is no token named ${JSON.stringify(name)}`);
  }
  output.event({ event: 'revoked', name });
  output.say(`revoked ${name}`);
}

function grant(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!isGrant(text)) {
    throw new InvalidArgumentError('expected pull, push or delete, a colon and a name pattern');
  }
  return [...(before ?? []), text];
}

function duration(text: string): number {
  const [, count, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  if (count === undefined || (unit !== 'h' && unit !== 'd')) {
    throw new InvalidArgumentError('expected hours or days, such as 12h or 30d');
  }
  return Number(count) * UNIT_MS[unit];
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
