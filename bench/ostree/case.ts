import type { Tool } from '../tools.ts';
import type { Commits } from './corpus/open-trees.ts';
import type { Recipe } from './corpus/recipe.ts';
import type { CaseName } from './options.ts';
import type { OstreeTool } from './ostree-tool.ts';

/** The stock command with options, as one of the programs that are compared. */
export interface StockVariant {
  readonly name: string;
  readonly title: string;
  readonly options: readonly string[];
}

/** An update to measure. */
export interface CaseSpec {
  readonly name: CaseName;
  readonly recipe: Recipe;
  readonly stock: readonly StockVariant[];
  /** The name of the variant whose cost counts as 1. */
  readonly peer: string;
  /** Pull from scratch, too. */
  readonly scratch: boolean;
}

export interface CaseContext {
  readonly commits: Commits;
  /** The installed one first: it generates, and all of them pull. */
  readonly ostrees: readonly [OstreeTool, ...OstreeTool[]];
  readonly nginx: Tool;
  readonly rounds: number;
  /** An empty folder. */
  readonly dir: string;
}
