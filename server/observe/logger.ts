import { pino, type DestinationStream, type Logger } from 'pino';

import type { ServerConfig } from '../config.ts';

export type { Logger } from 'pino';

/** Header and body fields that carry secrets, wherever an object is logged. */
const SECRET_PATHS = [
  'authorization',
  'cookie',
  'token',
  'password',
  'secretKey',
  '*.authorization',
  '*.cookie',
  '*.token',
  '*.password',
  '*.secretKey',
  'req.headers.authorization',
  'req.headers.cookie',
];

/** A logger that writes JSON lines, to stderr at once unless told otherwise; secrets are replaced. */
export function createLogger(
  level: ServerConfig['logLevel'],
  output: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_PATHS, censor: '[redacted]' },
    },
    output,
  );
}
