import type { Operation } from '../http/validate.ts';

/** The API's routes: what express is built from, and what openapi.yaml has to say of them. */
export const API_OPERATIONS = [
  { method: 'post', path: '/v1/check', operationId: 'checkForUpdate' },
  { method: 'post', path: '/v1/decisions/{id}/events', operationId: 'reportEvents' },
  { method: 'get', path: '/v1/deltas', operationId: 'listDeltas' },
  { method: 'get', path: '/v1/releases', operationId: 'listReleases' },
  { method: 'get', path: '/v1/devices', operationId: 'listDevices' },
  { method: 'get', path: '/v1/status', operationId: 'getStatus' },
  { method: 'get', path: '/livez', operationId: 'live' },
  { method: 'get', path: '/readyz', operationId: 'ready' },
  { method: 'get', path: '/metrics', operationId: 'metrics' },
  { method: 'get', path: '/openapi.yaml', operationId: 'contract' },
] as const satisfies readonly Operation[];

export type ApiOperationId = (typeof API_OPERATIONS)[number]['operationId'];
