import type { Command } from 'commander';

import { getJson, parseServerUrl } from '../http-client.ts';
import { createOutput } from '../output.ts';

/** `rivulet status`: what a server knows and does. */
export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show what an origin or a regional cache holds and does')
    .option('--server <url>', 'the server', 'http://127.0.0.1:8480')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet status --server http://127.0.0.1:8480')
    .action(async (options: { readonly server: string; readonly json?: true }) => {
      const output = createOutput(options.json === true);
      const status = await getJson(
        parseServerUrl(options.server),
        '/v1/status',
        process.env['RIVULET_TOKEN'],
      );
      output.event({ event: 'status', ...(status as Record<string, unknown>) });
      for (const line of describe(status)) output.say(line);
    });
}

/** Nested facts as indented `name: value` lines. */
function describe(value: unknown, indent = ''): string[] {
  return Object.entries(value as Record<string, unknown>).flatMap(([key, inner]) => {
    if (Array.isArray(inner)) {
      const rows = inner.flatMap((row: unknown) =>
        typeof row === 'object' && row !== null
          ? [`${indent}  - ${describe(row).join('  ')}`]
          : [`${indent}  - ${String(row)}`],
      );
      return rows.length === 0 ? [`${indent}${key}: none`] : [`${indent}${key}:`, ...rows];
    }
    if (typeof inner === 'object' && inner !== null) {
      return [`${indent}${key}:`, ...describe(inner, `${indent}  `)];
    }
    return [`${indent}${key}: ${String(inner)}`];
  });
}
