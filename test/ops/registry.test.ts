import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '../../lib/ops/registry';

const folder = join(__dirname, '../../lib/ops');

/** What the modules of the room export, but for the registry. */
function exportsOfRoom(): unknown[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.flatMap((file) => Object.values(jest.requireActual<Record<string, unknown>>(join(folder, file))));
}

const isOp = (value: unknown): value is { name: string } =>
  typeof value === 'object' && value !== null && 'infer' in value && 'reference' in value;

test('every op that a file declares stands in the registry, under its own name', () => {
  const declared = [...new Set(exportsOfRoom().filter(isOp))];
  expect(declared.map((op) => op.name).sort()).toEqual(Object.keys(registry).sort());
  for (const op of declared) expect(Object.entries(registry)).toContainEqual([op.name, op]);
});

test.each(Object.values(registry).map((op) => [op.name, op] as const))(
  '%s overwrites only operands that it has',
  (_, op) => {
    for (const { inPlace } of Object.values(op.outputs) as { inPlace?: string }[]) {
      if (inPlace !== undefined) expect(Object.keys(op.operands)).toContain(inPlace);
    }
  },
);
