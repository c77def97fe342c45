import { adam, crossEntropy } from '../../lib';
import { names, writeStep } from '../../lib/train/step';
import { typecheck, type Equation, type Program } from '../../lib/program/program';
import { languageModel, tokenBatch } from '../support/models';
import { prepareBatch } from '../../lib/train/batch';

/** A whole training step: forward, loss, backward, clip, update. */
function trainingStep(): Program {
  const model = languageModel({ backend: 'reference', lstm: { numLayers: 2, dropout: 0.3 } });
  const { inputSignature, supervisionSignature } = prepareBatch(tokenBatch(1, 2, 3));
  const mode = { training: true, recurrentState: { carried: 'training' } } as const;
  return writeStep(
    model.network,
    inputSignature,
    supervisionSignature,
    mode,
    { loss: crossEntropy(), metrics: ['accuracy'] },
    { optimizer: adam(), clipNorm: 1 },
  ).program;
}

const step = trainingStep();

/** The same program with one equation of `compute` replaced. */
const withEquation = (index: number, change: (equation: Equation) => Partial<Equation>): Program => ({
  ...step,
  compute: step.compute.map((equation, at) => (at === index ? { ...equation, ...change(equation) } : equation)),
});

const at = (op: string) => step.compute.findIndex((equation) => equation.op === op);

test('what the builder made passes', () => {
  expect(() => typecheck(step)).not.toThrow();
  expect(step.guards.map(({ name }) => name)).toEqual([names.loss, names.gradientNorm]);
});

test('a value that is read before it is made is refused, with the layer and the op', () => {
  const late = { ...step, compute: [...step.compute.slice(1), step.compute[0]!] };
  expect(() => typecheck(late)).toThrow(/^[\w.]+: \w+: value %\d+ is read before it is made$/);
});

test('a value that is made twice is refused', () => {
  const twice = { ...step, compute: [...step.compute, step.compute[0]!] };
  expect(() => typecheck(twice)).toThrow(/value %\d+ is made twice/);
  const input = { ...step, inputs: [...step.inputs, step.inputs[0]!] };
  expect(() => typecheck(input)).toThrow(/^input \w+: value %\d+ is made twice/);
});

test('a value without a type is refused', () => {
  expect(() => typecheck({ ...step, values: step.values.slice(0, -1) })).toThrow(/has no type/);
});

test('a type that does not follow from the operands is refused', () => {
  const wrong = step.compute[at('lstm')]!.outputs.y as number;
  const values = step.values.map((type, id) => (id === wrong ? { ...type, shape: ['T', 'B', 9] } : type));
  expect(() => typecheck({ ...step, values })).toThrow('the type of y does not follow from its operands');
  const retyped = step.values.map((type, id) => (id === wrong ? { ...type, dtype: 'int32' as const } : type));
  expect(() => typecheck({ ...step, values: retyped })).toThrow('the type of y does not follow from its operands');
});

test('operands that do not fit the op are refused', () => {
  const exchanged = withEquation(at('lstm'), ({ operands }) => ({
    operands: { ...operands, weight_ih: operands.weight_hh!, weight_hh: operands.weight_ih! },
  }));
  expect(() => typecheck(exchanged)).toThrow();
});

test('guards, outputs and next states must be made', () => {
  const nothing = step.values.length - 1 + 1;
  const values = [...step.values, step.values[0]!];
  const broken = (change: Partial<Program>) => () => typecheck({ ...step, values, ...change });
  expect(broken({ guards: [{ name: 'loss', value: nothing }] })).toThrow('guard loss: value');
  expect(broken({ outputs: [{ name: 'y', value: nothing }] })).toThrow('output y: value');
  expect(broken({ states: [{ ...step.states[0]!, next: nothing }, ...step.states.slice(1)] })).toThrow(
    `state ${step.states[0]!.name}: value`,
  );
});

test('a guard cannot wait for the commit', () => {
  const committed = Object.values(step.commit[0]!.outputs).flat()[0] as number;
  expect(() => typecheck({ ...step, guards: [{ name: 'late', value: committed }] })).toThrow('guard late: value');
});
