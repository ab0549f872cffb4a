import { AGE_HEADER } from '../../delta/agent/protocol.ts';
import { checkConditions } from '../http/conditions.ts';
import type { Exchange } from '../http/exchange.ts';
import { IMMUTABLE } from '../http/send-blob.ts';
import type { FoundManifest } from './manifest-cache.ts';

/** Answers GET or HEAD with a manifest, byte for byte and with its pushed type. */
export function sendManifest({ req, res }: Exchange, found: FoundManifest): void {
  const { manifest, immutable, staleSeconds } = found;
  const { digest, mediaType, body } = manifest;
  const etag = `"${digest}"`;
  res.setHeader('ETag', etag);
  res.setHeader('Docker-Content-Digest', digest);
  res.setHeader('Cache-Control', immutable ? IMMUTABLE : 'no-cache');
  setAge(res, staleSeconds);
  if (checkConditions(req.headers, etag) === 'not_modified') {
    res.writeHead(304);
    res.end();
    return;
  }
  res.writeHead(200, { 'Content-Type': mediaType, 'Content-Length': body.length });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Says how old an answer is that the origin could not confirm (RFC 9111, 5.1). */
export function setAge(res: Exchange['res'], staleSeconds: number | undefined): void {
  if (staleSeconds === undefined) return;
  res.setHeader('Age', staleSeconds.toString());
  res.setHeader(AGE_HEADER, staleSeconds.toString());
}
