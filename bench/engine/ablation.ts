/** Steps of the engine that are switched off together. */
export interface Ablation {
  readonly name: string;
  readonly mask: number;
}

/** The engine's steps by name and their bits, as kernel/ablation.ts numbers them. */
const STEPS: Readonly<Record<string, number>> = {
  references: 1,
  rematch: 2,
  join: 4,
  'eh-frame': 8,
  'table-fields': 16,
  shorts: 32,
  learning: 64,
  'old-fields': 128,
  priming: 256,
  'mixer-sets': 512,
};

/** `all`: every step by itself; else a step's name, or a mask such as `0x6`. */
export function parseAblations(texts: readonly string[]): Ablation[] {
  return texts.flatMap((text) => (text === 'all' ? everyStep() : [parseAblation(text)]));
}

function everyStep(): Ablation[] {
  return Object.entries(STEPS).map(([name, mask]) => ({ name, mask }));
}

function parseAblation(text: string): Ablation {
  const mask = STEPS[text] ?? (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : 0);
  if (!Number.isSafeInteger(mask) || mask === 0) {
    const names = Object.keys(STEPS).join(', ');
    throw new Error(`--ablate ${text} is no step (${names}) and no bit mask from 1`);
  }
  return { name: text, mask };
}
