import type { Exchange } from '../http/exchange.ts';
import { OciError } from './errors.ts';
import { listVisible } from './listed-names.ts';
import { readRepo } from './names.ts';
import { cutPage, readPage } from './paging.ts';
import type { RegistryOptions } from './options.ts';
import { sendJson } from './respond.ts';

/** Tags of a repository, in ASCII order (OCI distribution 1.1, "Listing Tags"). */
export class TagResource {
  readonly #registry: RegistryOptions;

  constructor(registry: RegistryOptions) {
    this.#registry = registry;
  }

  async list(x: Exchange, name: string): Promise<void> {
    const repo = readRepo(name);
    const page = readPage(x.query);
    const { repositories } = this.#registry.catalog;
    if (!(await repositories.exists(repo))) {
      throw new OciError('NAME_UNKNOWN', `there is no repository ${repo}`);
    }
    const tags = await repositories.tags(repo, { last: page.last, limit: page.limit + 1 });
    const { names, headers } = cutPage(tags, page, `/v2/${repo}/tags/list`);
    sendJson(x.res, 200, { name: repo, tags: names }, headers);
  }
}

/** `/v2/_catalog`, as Docker registries answer it; not part of the OCI specification. */
export class RepositoryResource {
  readonly #registry: RegistryOptions;

  constructor(registry: RegistryOptions) {
    this.#registry = registry;
  }

  async list(x: Exchange): Promise<void> {
    const page = readPage(x.query);
    const { catalog, mayList } = this.#registry;
    const limit = page.limit + 1;
    const found = await listVisible(
      (last, count) => catalog.repositories.list({ last, limit: count }),
      { last: page.last, limit, isVisible: (repo) => mayList?.(x, repo) ?? true },
    );
    const { names, headers } = cutPage(found, page, '/v2/_catalog');
    sendJson(x.res, 200, { repositories: names }, headers);
  }
}
