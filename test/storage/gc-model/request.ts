import type { Stores, World } from './world.ts';

/** What an operation is given: the stores behind its gate, and where to say what its end means. */
export interface Request {
  readonly world: World;
  readonly stores: Stores;
  /** Called once the operation has ended: acknowledged, or failed or killed. */
  readonly onEnd: (end: (acknowledged: boolean) => void) => void;
}
