import type { OpDescription } from '../../lib/backend/native/addon';
import { assignOpcodes, loadAddon } from '../../lib/backend/native/load';
import { BackendError } from '../../lib/errors';

const described = loadAddon().description.ops;
const changed = (name: string, change: Partial<OpDescription>) =>
  described.map((op) => (op.name === name ? { ...op, ...change } : op));
const linear = described.find(({ name }) => name === 'linear')!;

test('opcodes are assigned by name', () => {
  const reversed = [...described].reverse();
  expect(assignOpcodes(reversed).get('linear')).toBe(reversed.indexOf(linear));
});

test('a difference between the addon and the registry is refused by op and slot', () => {
  const refusal = (ops: readonly OpDescription[]) => {
    try {
      assignOpcodes(ops);
    } catch (error) {
      expect(error).toBeInstanceOf(BackendError);
      return (error as Error).message;
    }
    return '';
  };
  const [x, weight, bias] = linear.operands;
  expect(refusal(changed('linear', { operands: [x!, { ...weight!, dtype: 'float64' }, bias!] }))).toContain(
    'linear: operand 1: expected weight: float32, one, it has weight: float64, one',
  );
  expect(refusal(changed('linear', { operands: [x!, weight!] }))).toContain('linear: operand 2: expected bias');
  expect(refusal(changed('dropout', { attributes: [] }))).toContain('dropout: attribute 0: expected p: number');
  expect(refusal(changed('adam', { outputs: [] }))).toContain('adam: output 0: expected parameters');
  expect(refusal(described.filter(({ name }) => name !== 'lstm'))).toContain("no op 'lstm'");
  expect(refusal([...described, { ...linear, name: 'unheard_of' }])).toContain("unknown op 'unheard_of'");
});
