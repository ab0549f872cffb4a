import type { ApiNeed } from '../auth/api-access.ts';
import type { Operation } from '../http/validate.ts';

/** An operation of the API, and what its caller has to be granted. */
interface ApiOperation extends Operation {
  readonly needs: ApiNeed;
}

/** The API's routes: what express is built from, and what openapi.yaml has to say of them. */
export const API_OPERATIONS = [
  { method: 'post', path: '/v1/check', operationId: 'checkForUpdate', needs: 'something' },
  {
    method: 'post',
    path: '/v1/decisions/{id}/events',
    operationId: 'reportEvents',
    needs: 'something',
  },
  { method: 'get', path: '/v1/deltas', operationId: 'listDeltas', needs: 'everything' },
  {
    method: 'get',
    path: '/v1/ostree/deltas',
    operationId: 'listStaticDeltas',
    needs: 'everything',
  },
  { method: 'get', path: '/v1/releases', operationId: 'listReleases', needs: 'everything' },
  { method: 'get', path: '/v1/devices', operationId: 'listDevices', needs: 'everything' },
  { method: 'get', path: '/v1/status', operationId: 'getStatus', needs: 'everything' },
  { method: 'get', path: '/v1/tokens', operationId: 'listTokens', needs: 'admin' },
  { method: 'post', path: '/v1/tokens', operationId: 'createToken', needs: 'admin' },
  { method: 'delete', path: '/v1/tokens/{name}', operationId: 'revokeToken', needs: 'admin' },
  { method: 'get', path: '/livez', operationId: 'live', needs: 'nothing' },
  { method: 'get', path: '/readyz', operationId: 'ready', needs: 'nothing' },
  { method: 'get', path: '/metrics', operationId: 'metrics', needs: 'everything' },
  { method: 'get', path: '/openapi.yaml', operationId: 'contract', needs: 'nothing' },
] as const satisfies readonly ApiOperation[];

export type ApiOperationId = (typeof API_OPERATIONS)[number]['operationId'];
