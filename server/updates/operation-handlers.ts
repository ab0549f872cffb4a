import type { Response } from 'express';

import type { BlobStore } from '../../storage/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { digestOf } from '../../storage/digest.ts';
import { HttpError } from '../http/errors.ts';
import type { Contract } from '../http/validate.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ApiRequest } from './api-request.ts';

export interface OperationHandlersOptions {
  readonly blobs: BlobStore;
  readonly catalog: Catalog;
  readonly contract: Contract;
  readonly metrics: Pick<Metrics, 'registry' | 'deltaQueueDepth'>;
  readonly logger: Logger;
}

/** A probe that takes longer counts as no answer. */
const PROBE_MS = 5000;
/** Any name does: whether the blob is there does not matter, only that the store can tell. */
const PROBE_DIGEST = digestOf(new Uint8Array());

/** `GET /livez`. */
export function live(res: Response): void {
  res.set('Cache-Control', 'no-store').json({ status: 'ok' });
}

/** `GET /readyz`: ready when store and catalog answer. */
export async function ready(
  { blobs, catalog, logger }: OperationHandlersOptions,
  request: ApiRequest,
  res: Response,
): Promise<void> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(PROBE_MS)]);
  try {
    await Promise.all([catalog.ping(), blobs.stat(PROBE_DIGEST, { signal })]);
  } catch (cause) {
    logger.warn({ err: cause }, 'not ready');
    throw new HttpError('unavailable', 'the store or the catalog does not answer', { cause });
  }
  live(res);
}

/** `GET /metrics`. Figures from the catalog are read now; without it the others still come. */
export async function sendMetrics(
  { catalog, metrics, logger }: OperationHandlersOptions,
  res: Response,
): Promise<void> {
  try {
    const { pending, building, proving } = await catalog.deltas.counts();
    metrics.deltaQueueDepth.set(pending + building + proving);
  } catch (error) {
    logger.warn({ err: error }, 'metrics without the queue depth: the catalog does not answer');
  }
  const text = await metrics.registry.metrics();
  res.set('Content-Type', metrics.registry.contentType).send(text);
}

/** `GET /openapi.yaml`. */
export function sendContract({ contract }: OperationHandlersOptions, res: Response): void {
  res.set('Content-Type', 'application/yaml').send(contract.text);
}
