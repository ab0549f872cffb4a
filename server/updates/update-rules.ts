import type { PaceFacts } from '../../delta/agent/protocol.ts';
import { parseWindow, parseZone } from '../../delta/agent/window.ts';
import { matchesPattern } from '../auth/name-pattern.ts';

/** How devices may take releases: an entry of `updates` in the configuration. */
export interface UpdateRule {
  /** Patterns of repositories and of regions (`auth/name-pattern.ts`); a device without a region has an empty one. */
  readonly products: string;
  readonly regions: string;
  /** Bytes per second for downloads. */
  readonly maxBps?: number | undefined;
  /** RFC 3339: no download before. */
  readonly notBefore?: string | undefined;
  /** As the agent's `--window`, in the IANA zone; a device's own window stays beside it. */
  readonly window?: string | undefined;
  readonly zone: string;
}

/** What the rules say of a product, in their order. */
export function pacesOf(rules: readonly UpdateRule[], product: string): readonly PaceFacts[] {
  return rules
    .filter(({ products }) => matchesPattern(products, product))
    .map(({ regions, maxBps, notBefore, window, zone }) => ({
      regions,
      ...(maxBps !== undefined && { maxBps }),
      ...(notBefore !== undefined && { notBeforeMs: Date.parse(notBefore) }),
      ...(window !== undefined && { installWindow: { window, zone } }),
    }));
}

/** What holds for a device of a region: the first that names it. */
export function paceFor(
  paces: readonly PaceFacts[] | undefined,
  region: string | undefined,
): Omit<PaceFacts, 'regions'> {
  const found = paces?.find(({ regions }) => matchesPattern(regions, region ?? ''));
  if (found === undefined) return {};
  const { maxBps, notBeforeMs, installWindow } = found;
  return {
    ...(maxBps !== undefined && { maxBps }),
    ...(notBeforeMs !== undefined && { notBeforeMs }),
    ...(installWindow !== undefined && { installWindow }),
  };
}

/** What the schema does not see in times, windows and zones. */
export function updateFaults(rules: readonly UpdateRule[]): readonly string[] {
  return rules.flatMap(({ notBefore, window, zone }, n) => {
    const faults: string[] = [];
    if (notBefore !== undefined && Number.isNaN(Date.parse(notBefore))) {
      faults.push(`updates.${n}.notBefore: no time: ${notBefore}`);
    }
    try {
      if (window === undefined) parseZone(zone);
      else parseWindow(window, zone);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      faults.push(`updates.${n}.window and zone: ${why}`);
    }
    return faults;
  });
}
