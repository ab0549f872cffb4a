import type { Exchange } from './exchange.ts';

/**
 * The label of metrics and logs: the pattern of the route that answered as openapi.yaml writes it,
 * never a path; `none` when no route did.
 */
export function routeLabel({ route, req }: Pick<Exchange, 'route' | 'req'>): string {
  if (route !== undefined) return route;
  if (!('route' in req) || typeof req.route !== 'object' || req.route === null) return 'none';
  if (!('path' in req.route) || typeof req.route.path !== 'string') return 'none';
  return req.route.path.replaceAll(/:(\w+)/g, '{$1}');
}
