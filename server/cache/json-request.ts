import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Contract } from '../http/validate.ts';

/** A header that must be there and follow a schema of the contract; `bad_request` otherwise. */
export function requireHeader(
  { req }: Exchange,
  contract: Contract,
  name: string,
  schema: string,
): string {
  const text = req.headers[name];
  if (typeof text !== 'string') throw new HttpError('bad_request', `header ${name} is missing`);
  return requireText(contract, `header ${name}`, schema, text);
}

/** Text that must follow a schema of the contract; `bad_request` otherwise. */
export function requireText(
  contract: Contract,
  what: string,
  schema: string,
  text: string,
): string {
  const [fault] = contract.faults(schema, text);
  if (fault === undefined) return text;
  throw new HttpError('bad_request', `${what}: no ${schema}, ${fault.message}`);
}
