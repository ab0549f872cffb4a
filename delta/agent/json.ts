import { isDigest, type Digest } from '../../storage/digest.ts';
import { DeviceError, type DeviceErrorCode } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads JSON that somebody else wrote, field by field. A field that is absent, of another type or out
 * of bounds throws with the reader's code and the field's path.
 */
export class JsonReader {
  readonly #value: JsonObject;
  readonly #what: string;
  readonly #code: DeviceErrorCode;

  constructor(value: unknown, what: string, code: DeviceErrorCode) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new DeviceError(code, `${what} is not an object`);
    }
    this.#value = value as JsonObject;
    this.#what = what;
    this.#code = code;
  }

  static parse(bytes: Buffer, what: string, code: DeviceErrorCode): JsonReader {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw new DeviceError(code, `${what} is not JSON`, { cause });
    }
    return new JsonReader(value, what, code);
  }

  keys(): readonly string[] {
    return Object.keys(this.#value);
  }

  has(key: string): boolean {
    return this.#value[key] !== undefined && this.#value[key] !== null;
  }

  string(key: string, maxLength = 4096): string {
    const value = this.#value[key];
    if (typeof value !== 'string' || value.length > maxLength) throw this.#fault(key, 'a string');
    return value;
  }

  digest(key: string): Digest {
    const value = this.#value[key];
    if (typeof value !== 'string' || !isDigest(value)) throw this.#fault(key, 'a digest');
    return value;
  }

  /** A whole number from 0 to 2^53-1. */
  count(key: string): number {
    const value = this.#value[key];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.#fault(key, 'a whole number');
    }
    return value;
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T {
    const value = this.#value[key];
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw this.#fault(key, `one of ${values.join(', ')}`);
    return found;
  }

  scalar(key: string): string | number | boolean {
    const value = this.#value[key];
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw this.#fault(key, 'a string, a number or a boolean');
    }
    return value;
  }

  object(key: string): JsonReader {
    return new JsonReader(this.#value[key], `${this.#what}.${key}`, this.#code);
  }

  objects(key: string, maxItems: number): readonly JsonReader[] {
    return this.#list(key, maxItems).map(
      (item, i) => new JsonReader(item, `${this.#what}.${key}[${i}]`, this.#code),
    );
  }

  strings(key: string, maxItems: number): readonly string[] {
    return this.#list(key, maxItems).map((item) => {
      if (typeof item !== 'string' || item.length > 4096) throw this.#fault(key, 'strings');
      return item;
    });
  }

  digests(key: string, maxItems: number): readonly Digest[] {
    return this.#list(key, maxItems).map((item) => {
      if (typeof item !== 'string' || !isDigest(item)) throw this.#fault(key, 'digests');
      return item;
    });
  }

  /** A map of strings; empty when absent. */
  stringMap(key: string, maxItems: number): Readonly<Record<string, string>> {
    if (!this.has(key)) return {};
    const reader = this.object(key);
    const keys = reader.keys();
    if (keys.length > maxItems) throw this.#fault(key, `at most ${maxItems} entries`);
    return Object.fromEntries(keys.map((name) => [name, reader.string(name, 65_536)]));
  }

  #list(key: string, maxItems: number): readonly unknown[] {
    const value = this.#value[key];
    if (!Array.isArray(value) || value.length > maxItems) {
      throw this.#fault(key, `a list of at most ${maxItems}`);
    }
    return value as unknown[];
  }

  #fault(key: string, expected: string): DeviceError {
    return new DeviceError(this.#code, `${this.#what}.${key} is not ${expected}`);
  }
}
