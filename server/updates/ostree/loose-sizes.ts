import type { OstreeTransfer } from '../../../delta/agent/ostree-protocol.ts';
import type {
  OstreeDeltaCatalog,
  OstreeDeltaName,
} from '../../../storage/catalog/ostree-delta-catalog.ts';

/** Pairs remembered: what lies between two commits never changes. */
const MAX_REMEMBERED = 16_384;

/** What pulls without a static delta take, each pair measured once. */
export class LooseSizes {
  readonly #catalog: Pick<OstreeDeltaCatalog, 'loose'>;
  /** In the order of their last use. */
  readonly #known = new Map<string, OstreeTransfer>();

  constructor(catalog: Pick<OstreeDeltaCatalog, 'loose'>) {
    this.#catalog = catalog;
  }

  knows(pair: OstreeDeltaName): boolean {
    return this.#known.has(keyOf(pair));
  }

  /** Both commits have to be whole in the repository: what is lacking would not count, for ever. */
  async of(pair: OstreeDeltaName): Promise<OstreeTransfer> {
    const key = keyOf(pair);
    const known = this.#known.get(key);
    this.#known.delete(key);
    const size = known ?? (await this.#catalog.loose(pair));
    this.#known.set(key, size);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return size;
  }
}

function keyOf({ repo, from, to }: OstreeDeltaName): string {
  return `${repo} ${from ?? ''} ${to}`;
}
