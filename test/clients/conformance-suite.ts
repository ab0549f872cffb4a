import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { XMLParser } from 'fast-xml-parser';

/** What the suite's junit.xml says. */
export interface ConformanceReport {
  /** The numbers at its root, as they stand there; a number that it leaves out is 0. */
  readonly totals: Readonly<
    Record<'tests' | 'errors' | 'failures' | 'skipped' | 'disabled', number>
  >;
  /** Cases whose status is not `passed`, as `status: name: why`. */
  readonly notPassed: readonly string[];
}

/** Every switch of the suite (its config.go), on. */
const SWITCHES = [
  ...['API_PING', 'API_PULL', 'API_PUSH', 'API_REFERRER'],
  ...['ATOMIC', 'DELETE', 'DIGEST_HEADER', 'MOUNT_ANONYMOUS', 'UPLOAD_CANCEL'].map(
    (name) => `API_BLOBS_${name}`,
  ),
  ...['ATOMIC', 'DELETE', 'DIGEST_HEADER', 'TAG_PARAM'].map((name) => `API_MANIFESTS_${name}`),
  ...['ATOMIC', 'DELETE', 'LIST'].map((name) => `API_TAGS_${name}`),
  ...['IMAGE', 'INDEX', 'INDEX_LIST', 'SPARSE', 'ARTIFACT', 'SUBJECT', 'SUBJECT_MISSING'].map(
    (name) => `DATA_${name}`,
  ),
  ...['ARTIFACT_LIST', 'SUBJECT_LIST', 'DATA_FIELD', 'NONDISTRIBUTABLE', 'CUSTOM_FIELDS'].map(
    (name) => `DATA_${name}`,
  ),
  ...['NO_LAYERS', 'EMPTY_BLOB', 'SHA512'].map((name) => `DATA_${name}`),
];

/** Runs the conformance suite of the OCI distribution specification against a registry. */
export async function runConformance(
  program: string,
  registryUrl: string,
  specification: string,
  results: string,
): Promise<ConformanceReport> {
  const child = spawn(program, {
    cwd: results,
    stdio: 'ignore',
    env: {
      OCI_REGISTRY: new URL(registryUrl).host,
      OCI_TLS: 'disabled',
      OCI_REPO1: 'conformance/one',
      OCI_REPO2: 'conformance/two',
      OCI_RESULTS_DIR: results,
      OCI_VERSION: specification,
      ...Object.fromEntries(SWITCHES.map((name) => [`OCI_${name}`, 'true'])),
    },
  });
  // It ends with 1 when a test fails: the report says which.
  await once(child, 'exit');
  return readReport(await readFile(join(results, 'junit.xml'), 'utf8'));
}

/** The module and version that the program was built from, as Go wrote them into it. */
export async function suiteVersion(program: string): Promise<string> {
  const bytes = await readFile(program, 'latin1');
  const match = /mod\t(github\.com\/opencontainers\/distribution-spec\/conformance)\t(v\S+)\t/.exec(
    bytes,
  );
  if (match === null) throw new Error(`${program} does not say of which version it is`);
  return `${String(match[1])} ${String(match[2])}`;
}

interface Case {
  readonly name: string;
  readonly status: string;
  readonly 'system-out'?: string;
}

interface JUnit {
  readonly testsuites: Readonly<Record<string, string>> & {
    readonly testsuite: readonly { readonly testcase: readonly Case[] }[];
  };
}

function readReport(xml: string): ConformanceReport {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    isArray: (name) => name === 'testsuite' || name === 'testcase',
  });
  const { testsuites } = parser.parse(xml) as JUnit;
  const total = (name: string): number => Number(testsuites[name] ?? 0);
  const cases = testsuites.testsuite.flatMap(({ testcase }) => testcase);
  return {
    totals: {
      tests: total('tests'),
      errors: total('errors'),
      failures: total('failures'),
      skipped: total('skipped'),
      disabled: total('disabled'),
    },
    notPassed: cases
      .filter(({ status }) => status !== 'passed')
      .map((one) => `${one.status}: ${one.name}: ${one['system-out'] ?? ''}`),
  };
}
