import type { Response } from 'express';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { digestOf } from '../../storage/digest.ts';
import { HttpError } from '../http/errors.ts';
import type { Contract } from '../http/validate.ts';
import { catalogMetrics } from '../observe/catalog-metrics.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ApiRequest } from './api-request.ts';

export interface OperationHandlersOptions {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly contract: Contract;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly scrape?: (() => Promise<string>) | undefined;
  readonly logger: Logger;
}

/** A probe that takes longer counts as no answer. */
const PROBE_MS = 3000;
/** Any name does: whether the blob is there does not matter, only that the store can tell. */
const PROBE_DIGEST = digestOf(new Uint8Array());

/** `GET /livez`. */
export function live(res: Response): void {
  res.set('Cache-Control', 'no-store').json({ status: 'ok' });
}

/** `GET /readyz`: ready when store and catalog answer; `failing` names which of them does not. */
export async function ready(
  { blobs, catalog, logger }: OperationHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(PROBE_MS)]);
  const probes = {
    store: () => blobs.objects.check?.({ signal }) ?? blobs.stat(PROBE_DIGEST, { signal }),
    catalog: () => catalog.ping(),
  };
  const silent: string[] = [];
  await Promise.all(
    Object.entries(probes).map(async ([part, probe]) => {
      try {
        await Promise.race([probe(), rejectOn(signal)]);
      } catch (error) {
        const requestId = res.getHeader('x-request-id');
        logger.warn({ err: error, requestId, part }, 'not ready');
        silent.push(part);
      }
    }),
  );
  if (silent.length === 0) live(res);
  else {
    throw new HttpError('unavailable', 'not ready', { detail: { failing: silent.sort() } });
  }
}

/** Drivers may settle late or never when their signal fires. */
function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

/** `GET /metrics`. Without the catalog the figures that do not come from it are sent all the same. */
export async function sendMetrics(
  { catalog, metrics, scrape, logger }: OperationHandlersOptions,
  res: Response,
): Promise<void> {
  const counted = await (scrape ?? (() => metrics.registry.metrics()))();
  let known = '';
  try {
    known = await catalogMetrics(catalog);
  } catch (error) {
    const requestId = res.getHeader('x-request-id');
    logger.warn({ err: error, requestId }, 'metrics without what the catalog knows');
  }
  res.set('Content-Type', metrics.registry.contentType).send(counted + known);
}

/** `GET /openapi.yaml`. */
export function sendContract({ contract }: OperationHandlersOptions, res: Response): void {
  res.set('Content-Type', 'application/yaml').send(contract.text);
}
