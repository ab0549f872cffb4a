import { CodedError, type CodedErrorOptions } from '../storage/errors.ts';

/** What can go wrong in starting and operating a server, outside of `storage` and `delta`. */
export type ServerErrorCode =
  /** The configuration has faults; all of them are listed. */
  | 'config'
  /** The address to listen on can't be had. */
  | 'listen'
  /** The command was used wrongly. */
  | 'usage'
  /** Something the user named is not there. */
  | 'not_found'
  /** What the user gave is not valid: an image, an archive, a delta. */
  | 'invalid_input'
  /** A store has faults that remain; all of them are listed. */
  | 'damaged'
  /** The server answered with an error. */
  | 'refused'
  /** The server does not answer. */
  | 'unreachable';

/** An error of `server/`. */
export class ServerError extends CodedError<ServerErrorCode> {
  constructor(code: ServerErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { retryable: code === 'unreachable', ...options });
    this.name = 'ServerError';
  }
}
