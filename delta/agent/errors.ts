import { errnoOf } from '../../storage/durable.ts';
import { CodedError, type CodedErrorOptions } from '../../storage/errors.ts';

/** What can go wrong on a device. */
export type DeviceErrorCode =
  /** A flag, an environment variable or a key of config.json; every fault is listed. */
  | 'config'
  /** Another update or rollback of the same folder runs. */
  | 'locked'
  /** No server answered, or a transfer stopped and did not come back. */
  | 'unreachable'
  /** A log-in page answers in a server's place. */
  | 'captive_portal'
  /** The server understood and said no. */
  | 'refused'
  /** An answer that does not follow the protocol. */
  | 'bad_answer'
  /** No server that was named has the blob. */
  | 'missing_blob'
  /** Bytes that are not what their digest promises, or do not follow their format. */
  | 'corrupt'
  /** A size past a stated bound. */
  | 'too_large'
  /** The plan starts from another release than the one that runs, or from damaged files. */
  | 'wrong_base'
  /** What was put together is not the target. */
  | 'output_mismatch'
  /** A plan that this agent cannot carry out. */
  | 'unsupported'
  | 'no_space'
  /** The plan wants more memory than the device has or gives. */
  | 'plan_needs_more'
  /** The release would cost more bytes on the wire than it may. */
  | 'byte_ceiling'
  /** The bytes of an hour, a day or a month are spent. */
  | 'quota'
  /** A disk or a folder that fails. */
  | 'io'
  /** A before-hook forbade the next step. */
  | 'hook_refused'
  /** The new release started and its health command said no. */
  | 'unhealthy'
  /** None of the decision's plans led to the target. */
  | 'no_plan_worked'
  /** There is no other verified release to go back to. */
  | 'no_rollback'
  /** Nothing is installed. */
  | 'not_installed'
  /** state.json, config.json or a slot is not what the agent wrote. */
  | 'state_corrupt'
  | 'aborted'
  /** A fault of the agent itself. */
  | 'internal';

/** An error of the device agent. */
export class DeviceError extends CodedError<DeviceErrorCode> {
  constructor(code: DeviceErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { retryable: code === 'unreachable', ...options });
    this.name = 'DeviceError';
  }
}

const NO_SPACE_ERRNO = new Set(['ENOSPC', 'EDQUOT']);
const DISK_ERRNO = new Set(['EIO', 'EROFS', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOTDIR']);

const CODES: Readonly<Record<string, DeviceErrorCode>> = {
  no_space: 'no_space',
  aborted: 'aborted',
  missing: 'missing_blob',
  too_large: 'too_large',
  budget: 'too_large',
  wrong_base: 'wrong_base',
  output_mismatch: 'output_mismatch',
  unsupported_version: 'unsupported',
  bad_format: 'corrupt',
  corrupt: 'corrupt',
  digest_mismatch: 'corrupt',
  size_mismatch: 'corrupt',
  range_unsatisfiable: 'corrupt',
  invalid_name: 'corrupt',
};

/** Any error as a device's: `storage` and `delta` codes and errno mapped, the rest `internal`. */
export function toDeviceError(error: unknown, what: string): DeviceError {
  if (error instanceof DeviceError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CodedError) {
    const code = CODES[error.code as string] ?? 'internal';
    return new DeviceError(code, `${what}: ${message}`, { cause: error });
  }
  const errno = errnoOf(error);
  if (errno !== undefined && NO_SPACE_ERRNO.has(errno)) {
    return new DeviceError(
      'no_space',
      `${what}: the disk is full (${errno}); free some space and run the update again`,
      { cause: error },
    );
  }
  if (errno === 'ABORT_ERR' || (error instanceof Error && error.name === 'AbortError')) {
    return new DeviceError('aborted', `${what}: stopped`, { cause: error });
  }
  if (errno !== undefined && DISK_ERRNO.has(errno)) {
    return new DeviceError('io', `${what}: ${message}`, { cause: error });
  }
  return new DeviceError('internal', `${what}: ${message}`, { cause: error });
}

/** The program's exit code: 2 wrong use or configuration, 3 input refused, 1 anything else. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (!(error instanceof DeviceError)) return 1;
  switch (error.code) {
    case 'config':
      return 2;
    case 'bad_answer':
    case 'corrupt':
    case 'too_large':
    case 'wrong_base':
    case 'output_mismatch':
    case 'unsupported':
    case 'state_corrupt':
      return 3;
    default:
      return 1;
  }
}
