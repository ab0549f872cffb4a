import { join } from 'node:path';

import { nginxPeer } from '../../serve/peers/nginx.ts';
import type { RunningPeer } from '../../serve/peers/peer.ts';
import type { CaseContext, CaseSpec } from '../case.ts';
import { REPOSITORY, startOrigin } from '../origin.ts';
import { OURS } from '../results.ts';

/** Where clients pull from. */
export interface Server {
  readonly name: string;
  readonly title: string;
  /** Of the repository. */
  readonly url: string;
}

/** What is served: our origin's folder, and the repository of each stock variant by its name. */
export interface Served {
  readonly data: string;
  readonly repos: ReadonlyMap<string, string>;
}

/** Runs our origin, and nginx over each stock repository, while `work` does; ours first. */
export async function withServers<T>(
  { stock }: CaseSpec,
  { nginx, dir }: CaseContext,
  { data, repos }: Served,
  work: (servers: readonly Server[]) => Promise<T>,
): Promise<T> {
  const origin = await startOrigin(data, dir);
  const running: Pick<RunningPeer, 'stop'>[] = [origin];
  try {
    const servers = [{ name: OURS, title: OURS, url: `${origin.url}/ostree/${REPOSITORY}` }];
    for (const { name, title } of stock) {
      const content = repos.get(name);
      if (content === undefined) throw new Error(`${name} has no repository`);
      const options = { dir: join(dir, `nginx-${name}`), content, workers: 1 };
      const started = await nginxPeer(nginx).start(options);
      running.push(started);
      servers.push({ name, title: `nginx, ${title}`, url: started.url });
    }
    return await work(servers);
  } finally {
    for (const server of running) await server.stop();
  }
}
