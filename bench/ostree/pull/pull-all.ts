import type { CaseContext, CaseSpec } from '../case.ts';
import { OURS, type PullKind, type PullResult } from '../results.ts';
import { medianPull } from './median-pull.ts';
import { pullOnce, type Pulled } from './pull-once.ts';
import type { Server } from './servers.ts';

/** Every client from every server, the servers in turns. */
export async function pullAll(
  spec: CaseSpec,
  context: CaseContext,
  servers: readonly Server[],
): Promise<readonly PullResult[]> {
  const kinds: readonly PullKind[] = spec.scratch ? ['update', 'scratch'] : ['update'];
  // From scratch, stock servers are all alike: nothing but loose objects.
  const asked = (kind: PullKind): readonly Server[] =>
    kind === 'update' ? servers : servers.filter(({ name }) => [OURS, spec.peer].includes(name));
  const pulls: PullResult[] = [];
  for (const client of context.ostrees) {
    for (const kind of kinds) {
      const turns = await pullInTurns(spec, context, { client, kind, servers: asked(kind) });
      for (const { name, title } of asked(kind)) {
        pulls.push({
          ...{ kind, client: client.version, server: name },
          title: kind === 'scratch' && name !== OURS ? 'nginx, loose objects' : title,
          ...medianPull(turns.get(name) ?? []),
        });
      }
    }
  }
  return pulls;
}

async function pullInTurns(
  { recipe }: CaseSpec,
  { commits, rounds }: CaseContext,
  {
    client,
    kind,
    servers,
  }: {
    readonly client: CaseContext['ostrees'][number];
    readonly kind: PullKind;
    readonly servers: readonly Server[];
  },
): Promise<ReadonlyMap<string, readonly Pulled[]>> {
  const turns = new Map<string, Pulled[]>(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, title, url } of servers) {
      process.stderr.write(`${recipe.name}: ${client.version} pulls ${kind} from ${title}\n`);
      turns.get(name)?.push(await pullOnce({ client, url, commits, kind }));
    }
  }
  return turns;
}
