import type { CaseSpec, StockVariant } from './case.ts';
import { debianRecipe } from './corpus/debian-recipe.ts';
import { NODE_RECIPE } from './corpus/node-recipe.ts';
import type { CaseName } from './options.ts';

const DEFAULTS: StockVariant = { name: 'ostree', title: 'ostree', options: [] };
const BSDIFF_ALL: StockVariant = {
  name: 'ostree-bsdiff',
  title: 'ostree --max-bsdiff-size=512',
  options: ['--max-bsdiff-size=512'],
};

export function specOf(name: CaseName, options: { readonly quick: boolean }): CaseSpec {
  switch (name) {
    case 'debian':
      return {
        ...{ name, recipe: debianRecipe(options), stock: [DEFAULTS] },
        ...{ peer: DEFAULTS.name, scratch: true },
      };
    case 'node':
      // By default the stock command ships such a program whole, which costs it little.
      return {
        ...{ name, recipe: NODE_RECIPE, stock: [DEFAULTS, BSDIFF_ALL] },
        ...{ peer: BSDIFF_ALL.name, scratch: false },
      };
  }
}
