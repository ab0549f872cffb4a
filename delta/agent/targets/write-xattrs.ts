import type { Xattr } from '../../ostree/objects/xattrs.ts';
import { DeviceError } from '../errors.ts';

/** Namespaces that only root may write: others leave them out, as they leave out owners. */
const SYSTEM = /^(?:security|trusted)\./;

/**
 * Sets extended attributes; Node has no call for them, a native package does (optional). Throws
 * `unsupported` without it: a program whose capabilities are lost would fail later, and silently.
 */
export async function writeXattrs(path: Buffer, xattrs: readonly Xattr[]): Promise<void> {
  const wanted = xattrs
    .map(({ name, value }) => ({ name: name.toString('utf8'), value: Buffer.from(value) }))
    .filter(({ name }) => process.getuid?.() === 0 || !SYSTEM.test(name));
  if (wanted.length === 0) return;
  const { setAttribute } = await native();
  const text = path.toString('utf8');
  if (!Buffer.from(text).equals(path)) {
    throw new DeviceError('unsupported', `${text} has extended attributes and a name not of UTF-8`);
  }
  for (const { name, value } of wanted) {
    await setAttribute(text, name, value).catch((cause: unknown) => {
      throw new DeviceError('io', `the attribute ${name} of ${text} can't be set`, { cause });
    });
  }
}

async function native(): Promise<typeof import('@napi-rs/xattr')> {
  try {
    return await import('@napi-rs/xattr');
  } catch (cause) {
    throw new DeviceError(
      'unsupported',
      'the image has extended attributes: they need the package @napi-rs/xattr',
      { cause },
    );
  }
}
