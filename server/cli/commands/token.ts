import { InvalidArgumentError, type Command } from 'commander';

import { isGrant } from '../../auth/grants.ts';
import { isTokenName } from '../../auth/tokens.ts';
import { ServerError } from '../../errors.ts';
import { parseServerUrl } from '../http-client.ts';
import { createOutput } from '../output.ts';
import { tokensInStore, tokensOnServer, type TokenAdmin } from '../token-admin.ts';
import { addStoreFlags, type StoreFlags } from '../with-store.ts';

interface TokenFlags extends StoreFlags {
  readonly server?: string;
}

interface CreateOptions extends TokenFlags {
  readonly name: string;
  readonly allow: readonly string[];
  readonly expires?: number;
}

const UNIT_SECONDS = { h: 3600, d: 86_400 } as const;

/** `rivulet token`: who may push, pull and delete; takes effect at once on a running origin. */
export function addToken(program: Command): void {
  const token = program.command('token').description('create, list and revoke access tokens');
  addFlags(token.command('create'))
    .description('create a token and print it, once')
    .requiredOption('--name <name>', 'what to call it', tokenName)
    .requiredOption(
      '--allow <verb:pattern...>',
      'pull, push, delete or admin on names: push:edge/**',
      grant,
    )
    .option('--expires <time>', 'such as 12h or 30d (default: never)', duration)
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet token create --name ci --allow push:edge/** --expires 30d',
    )
    .action(create);
  addFlags(token.command('list'))
    .description('list the tokens and what they grant')
    .addHelpText('after', '\nExample:\n  $ rivulet token list')
    .action(list);
  addFlags(token.command('revoke'))
    .description('revoke a token')
    .argument('<name>', 'its name')
    .addHelpText('after', '\nExample:\n  $ rivulet token revoke ci')
    .action(revoke);
}

function addFlags(command: Command): Command {
  return addStoreFlags(command).option(
    '--server <url>',
    'ask this origin instead of opening its store; RIVULET_TOKEN has to grant admin:**',
  );
}

function tokensOf({ server, ...flags }: TokenFlags): TokenAdmin {
  if (server === undefined) return tokensInStore(flags);
  if (flags.data !== undefined || flags.config !== undefined) {
    throw new ServerError('usage', '--server goes without --data and --config: choose one');
  }
  return tokensOnServer(parseServerUrl(server), process.env['RIVULET_TOKEN']);
}

async function create(options: CreateOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const { name, allow: grants, expires: expiresIn } = options;
  const { token, expiresMs } = await tokensOf(options).create({ name, grants, expiresIn });
  output.event({ event: 'token', name, grants, expiresMs, token });
  output.say(token);
}

async function list(options: TokenFlags): Promise<void> {
  const output = createOutput(options.json === true);
  const tokens = await tokensOf(options).list();
  for (const { name, grants, createdMs, expiresMs } of tokens) {
    output.event({ event: 'token', name, grants, createdMs, expiresMs });
    const until = expiresMs === undefined ? 'never expires' : `until ${isoTime(expiresMs)}`;
    output.say(`${name}  ${grants.join(' ')}  ${until}`);
  }
  if (tokens.length === 0) output.say('there are no tokens');
}

async function revoke(name: string, options: TokenFlags): Promise<void> {
  const output = createOutput(options.json === true);
  if (!(await tokensOf(options).revoke(name))) {
    throw new ServerError('not_found', `there is no token named ${JSON.stringify(name)}`);
  }
  output.event({ event: 'revoked', name });
  output.say(`revoked ${name}`);
}

function tokenName(text: string): string {
  if (!isTokenName(text)) {
    throw new InvalidArgumentError('expected letters, digits, ".", "_" and "-", at most 128');
  }
  return text;
}

function grant(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!isGrant(text)) {
    throw new InvalidArgumentError(
      'expected pull, push, delete or admin, a colon and a name pattern',
    );
  }
  return [...(before ?? []), text];
}

/** Seconds. */
function duration(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([hd])$/.exec(text) ?? [];
  if (count === undefined || (unit !== 'h' && unit !== 'd')) {
    throw new InvalidArgumentError('expected hours or days, such as 12h or 30d');
  }
  return Number(count) * UNIT_SECONDS[unit];
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
