import type { Request, Response } from 'express';

import { HttpError } from '../http/errors.ts';
import type { BodyTypes, Contract } from '../http/validate.ts';

/** Reads the parts of a request that the contract describes; all throw `bad_request`. */
export class ApiRequest {
  readonly req: Request;
  /** Fires when the client leaves before its answer is complete. */
  readonly signal: AbortSignal;
  readonly #contract: Contract;

  constructor(req: Request, res: Response, contract: Contract) {
    const left = new AbortController();
    res.once('close', () => {
      if (!res.writableFinished) left.abort();
    });
    this.req = req;
    this.signal = left.signal;
    this.#contract = contract;
  }

  /** The validated body. Throws `invalid_body`. */
  body<K extends keyof BodyTypes>(schema: K): BodyTypes[K] {
    return this.#contract.check(schema, this.req.body);
  }

  header(name: string, schema: string): string | undefined {
    const text = this.req.get(name);
    return text === undefined ? undefined : this.#parse(`header ${name}`, schema, text);
  }

  requiredHeader(name: string, schema: string, why: string): string {
    const text = this.header(name, schema);
    if (text === undefined) {
      throw new HttpError('bad_request', `header ${name} is missing: ${why}`);
    }
    return text;
  }

  param(name: string, schema: string): string {
    const text = this.req.params[name];
    return this.#parse(`path segment {${name}}`, schema, typeof text === 'string' ? text : '');
  }

  /** The query, refused whole when it holds a name that the operation does not know. */
  query(...names: readonly string[]): ApiQuery {
    const query = new URL(this.req.originalUrl, 'http://localhost').searchParams;
    for (const name of query.keys()) {
      if (!names.includes(name)) {
        throw new HttpError(
          'bad_request',
          `unknown query parameter ${JSON.stringify(name.slice(0, 100))}: known are ${names.join(', ')}`,
        );
      }
    }
    return new ApiQuery(query, (name, schema, text) => this.#parse(`query ${name}`, schema, text));
  }

  #parse(what: string, schema: string, text: string): string {
    const fault = this.#contract.faults(schema, text)[0];
    if (fault === undefined) return text;
    throw new HttpError(
      'bad_request',
      `${what} is ${JSON.stringify(text.slice(0, 200))}: no ${schema}, ${fault.message}`,
    );
  }
}

type ParseText = (name: string, schema: string, text: string) => string;

/** Query parameters, each checked against its schema when it is read. */
export class ApiQuery {
  readonly #query: URLSearchParams;
  readonly #parse: ParseText;

  constructor(query: URLSearchParams, parse: ParseText) {
    this.#query = query;
    this.#parse = parse;
  }

  text(name: string, schema: string): string | undefined {
    const values = this.#query.getAll(name);
    if (values.length > 1) {
      throw new HttpError('bad_request', `query ${name} is given ${values.length} times`);
    }
    return values[0] === undefined ? undefined : this.#parse(name, schema, values[0]);
  }

  texts(name: string, schema: string): readonly string[] {
    return this.#query.getAll(name).map((text) => this.#parse(name, schema, text));
  }

  /** A whole number within bounds. */
  count(name: string, minimum: number, maximum: number): number | undefined {
    const values = this.#query.getAll(name);
    if (values.length === 0) return undefined;
    const text = values[0] ?? '';
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : -1;
    if (values.length > 1 || value < minimum || value > maximum) {
      throw new HttpError(
        'bad_request',
        `query ${name} is ${JSON.stringify(values.join().slice(0, 100))}: a whole number from ${minimum} to ${maximum} is asked for`,
      );
    }
    return value;
  }
}
