import fc from 'fast-check';
import { adam, crossEntropy } from '../../lib';
import { tanh } from '../../lib/ops/elementwise/activations';
import { add } from '../../lib/ops/elementwise/arithmetic';
import { concat } from '../../lib/ops/layout/concat';
import { slice } from '../../lib/ops/layout/slice';
import { lstm } from '../../lib/ops/recurrent/lstm';
import { plainLstm } from '../../lib/ops/recurrent/lstmKind';
import { float32, type Variable } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { alignment, plan, type Placement } from '../../lib/program/plan';
import { allIds, inPlacePairs, type Program } from '../../lib/program/program';
import { prepareBatch } from '../../lib/train/batch';
import { writeStep } from '../../lib/train/step';
import { languageModel, tokenBatch } from '../support/models';

const capacities = { T: 5, B: 3, S: 1 };
type Arena = Extract<Placement, { kind: 'arena' }>;

/** For each value in the arena: the first and the last equation during which it must be intact, found the slow way. */
function lifetimes(program: Program) {
  const equations = [...program.compute, ...program.commit];
  const kept = new Set([
    ...program.outputs.map(({ value }) => value),
    ...program.states.flatMap(({ next }) => (next === null ? [] : [next])),
  ]);
  const guards = new Set(program.guards.map(({ value }) => value));
  return plan(program, capacities).placements.flatMap((placement, value) => {
    if (placement.kind !== 'arena') return [];
    const begin = equations.findIndex(({ outputs }) => allIds(outputs).includes(value));
    const readings = equations.flatMap(({ operands }, index) => (allIds(operands).includes(value) ? [index] : []));
    const untilGuard = guards.has(value) ? [program.compute.length] : [];
    const end = kept.has(value) ? equations.length : Math.max(begin, ...readings, ...untilGuard);
    return [{ value, begin, end, placement }];
  });
}

function expectNoOverlap(program: Program): void {
  const { arenaBytes } = plan(program, capacities);
  const values = lifetimes(program);
  const bytes = ({ offset, bytes: size }: Arena) => [offset, offset + size] as const;
  for (const a of values) {
    if (a.placement.offset % alignment !== 0) throw new Error(`%${a.value} is not aligned`);
    if (a.placement.offset + a.placement.bytes > arenaBytes) throw new Error(`%${a.value} leaves the arena`);
    for (const b of values) {
      if (a.value >= b.value || a.end < b.begin || b.end < a.begin) continue;
      const [[aBegin, aEnd], [bBegin, bEnd]] = [bytes(a.placement), bytes(b.placement)];
      if (aBegin < bEnd && bBegin < aEnd) throw new Error(`%${a.value} and %${b.value} are alive at once and overlap`);
    }
  }
}

/** A random program: each number chooses an op and which of the variables so far it reads. */
function randomProgram(choices: readonly (readonly [number, number, number])[]): Program {
  const builder = new ProgramBuilder();
  const variables: Variable[] = [builder.input('x', float32('B', 4)), builder.state('s', float32('B', 4))];
  for (const [kind, first, second] of choices) {
    const [a, b] = [variables[first % variables.length]!, variables[second % variables.length]!];
    if (kind === 0) variables.push(builder.emit(tanh, { x: a }, {}).y);
    else if (kind === 1) variables.push(builder.emit(add, { a, b }, {}).y);
    else {
      const wide = builder.emit(concat, { x: [a, b] }, { axis: 1 }).y;
      variables.push(builder.emit(slice, { x: wide }, { axis: 1, begin: 2, end: 6 }).y);
    }
  }
  variables.slice(-2).forEach((variable, index) => builder.output(`y${index}`, variable));
  return builder.finish();
}

test('no two values that are alive at once share memory, in random programs', () => {
  const choice = fc.tuple(fc.nat(2), fc.nat(30), fc.nat(30));
  fc.assert(
    fc.property(fc.array(choice, { minLength: 1, maxLength: 25 }), (choices) =>
      expectNoOverlap(randomProgram(choices)),
    ),
    { numRuns: 50, seed: 1 },
  );
});

test('values whose lifetimes do not meet share memory', () => {
  const chain = Array.from({ length: 20 }, (_, index) => [0, index + 1, 0] as const);
  const program = randomProgram([[0, 0, 0], ...chain]);
  const sizes = lifetimes(program).map(({ placement }) => placement.bytes);
  expect(sizes.length).toBeGreaterThan(20);
  expect(plan(program, capacities).arenaBytes).toBeLessThanOrEqual(3 * sizes[0]!);
});

function trainingStep(): Program {
  const model = languageModel({ backend: 'reference', lstm: { numLayers: 2, dropout: 0.3 } });
  const { inputSignature, supervisionSignature } = prepareBatch(tokenBatch(1, 3, 5));
  const mode = { training: true, recurrentState: { carried: 'training' } } as const;
  const update = { optimizer: adam(), clipNorm: 1 };
  return writeStep(model.network, inputSignature, supervisionSignature, mode, { loss: crossEntropy() }, update).program;
}

test('no two values that are alive at once share memory, in a whole training step', () => {
  expectNoOverlap(trainingStep());
});

test('what a training step updates in place lies where the state lies', () => {
  const program = trainingStep();
  const { placements } = plan(program, capacities);
  const pairs = program.commit.flatMap(inPlacePairs);
  expect(pairs.length).toBeGreaterThan(3 * 10);
  for (const [output, operand] of pairs) {
    expect(placements[operand]!.kind).toBe('state');
    expect(placements[output]).toBe(placements[operand]);
  }
});

test('an output on demand takes room only when somebody reads it', () => {
  const write = (read: boolean) => {
    const builder = new ProgramBuilder();
    const operands = {
      x: builder.input('x', float32('T', 'B', 2)),
      weight_ih: builder.state('weight_ih', float32(12, 2)),
      weight_hh: builder.state('weight_hh', float32(12, 3)),
    };
    const outputs = builder.emit(lstm, operands, { reverse: false, ...plainLstm });
    builder.output('y', outputs.y);
    if (read) builder.output('gates', outputs.gates);
    const program = builder.finish();
    const { placements } = plan(program, capacities);
    return placements[program.compute[0]!.outputs.gates as number]!.kind;
  };
  expect(write(false)).toBe('unplanned');
  expect(write(true)).toBe('arena');
});
