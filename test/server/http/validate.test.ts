import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { HttpError } from '../../../server/http/errors.ts';
import { Contract, loadContract } from '../../../server/http/validate.ts';

const DOCUMENT = `
openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /things/{id}:
    get: { operationId: getThing }
    put: { operationId: putThing }
components:
  schemas:
    CheckRequest:
      type: object
      additionalProperties: false
      required: [name]
      properties:
        name: { $ref: '#/components/schemas/Name' }
    Name: { type: string, pattern: '^[a-z]+$' }
`;

describe('Contract', () => {
  const contract = new Contract(DOCUMENT, parse(DOCUMENT));

  it('lists operations as they are written', () => {
    expect(contract.operations).toEqual([
      { method: 'get', path: '/things/{id}', operationId: 'getThing' },
      { method: 'put', path: '/things/{id}', operationId: 'putThing' },
    ]);
  });

  it('says what is wrong where, through references', () => {
    expect(contract.faults('CheckRequest', { name: 'ok' })).toEqual([]);
    expect(contract.faults('CheckRequest', { name: 'NO' })).toMatchObject([{ pointer: '/name' }]);
    expect(contract.faults('CheckRequest', { name: 'a', odd: 1 })[0]?.message).toContain('"odd"');
    expect(contract.faults('Name', 5)).toMatchObject([{ pointer: '', message: 'must be string' }]);
  });

  it('refuses a body with invalid_body', () => {
    const refused = () => contract.check('CheckRequest', { name: 7 });
    expect(refused).toThrow(HttpError);
    expect(refused).toThrow(/no CheckRequest: \/name must be string/);
  });

  it('does not take a schema that is not there for one that allows everything', () => {
    expect(() => contract.faults('Nothing', {})).toThrow(/no schema Nothing/);
  });

  it.each(['', '[]', 'paths: 1', 'paths: { /a: { get: {} } }'])('refuses %j', (text) => {
    expect(() => new Contract(text, parse(text))).toThrow(TypeError);
  });

  it('reads the program’s own', async () => {
    const own = await loadContract();
    for (const schema of ['CheckRequest', 'EventsRequest', 'Problem']) {
      expect(own.faults(schema, 1)).not.toEqual([]);
    }
  });

  it('is what the build has put beside the compiled program', async () => {
    const built = new URL('../../../dist/openapi.json', import.meta.url);
    const { document } = await loadContract();
    expect(JSON.parse(await readFile(built, 'utf8'))).toEqual(document);
  });
});
