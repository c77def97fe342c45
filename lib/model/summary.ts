import type { Network } from '../nn/network';
import { elementCount, formatShape } from '../ops/shape';

/** One line for each parameter, and their sum. */
export function summarize(network: Network): string {
  const rows = [...network.parameters.values()].map(({ path, shape }) => [
    path,
    formatShape(shape),
    elementCount(shape).toLocaleString('en-US'),
    network.frozen.has(path) ? 'frozen' : '',
  ]);
  const total = [...network.parameters.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const table = [['parameter', 'shape', 'elements', ''], ...rows, ['total', '', total.toLocaleString('en-US'), '']];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map(([path, shape, size, note]) =>
      `${path!.padEnd(widths[0]!)}  ${shape!.padEnd(widths[1]!)}  ${size!.padStart(widths[2]!)}  ${note!}`.trimEnd(),
    )
    .join('\n');
}
