import { add } from '../ops/elementwise/arithmetic';
import type { Variable } from '../ops/op';
import type { EquationRecord, ProgramBuilder } from './builder';
import { listOf } from './program';

/** Where a derivative starts: a variable and the gradient of the scalar with respect to it. */
export interface Seed {
  readonly variable: Variable;
  readonly cotangent: Variable;
}

const outputsOf = (record: EquationRecord) => Object.values(record.outputs).flatMap((bound) => listOf(bound));
const operandsOf = (record: EquationRecord) => Object.values(record.operands).flatMap((bound) => listOf(bound));

/**
 * Appends the equations of reverse-mode differentiation: for seeds (v, v̄), the vector-Jacobian products Σ v̄·∂v/∂x for
 * each target x, or null where x has no part in any seed. The rules stand beside each op.
 */
export function gradient(
  builder: ProgramBuilder,
  seeds: readonly Seed[],
  targets: readonly Variable[],
): (Variable | null)[] {
  const forward = [...builder.records];
  const wanted = dependents(forward, targets);
  const cotangents = new Map<Variable, Variable>();
  const accumulate = (variable: Variable, cotangent: Variable) => {
    const sum = cotangents.get(variable);
    cotangents.set(variable, sum ? builder.emit(add, { a: sum, b: cotangent }, {}).y : cotangent);
  };
  for (const { variable, cotangent } of seeds) accumulate(variable, cotangent);
  for (const record of forward.reverse()) {
    const { op } = record;
    if (op.gradient === 'none') continue;
    if (!outputsOf(record).some((output) => cotangents.has(output))) continue;
    if (!operandsOf(record).some((operand) => wanted.has(operand))) continue;
    builder.scope(record.path, () => applyRule(builder, record, cotangents, wanted, accumulate));
  }
  return targets.map((target) => cotangents.get(target) ?? null);
}

function applyRule(
  builder: ProgramBuilder,
  record: EquationRecord,
  cotangents: ReadonlyMap<Variable, Variable>,
  wanted: ReadonlySet<Variable>,
  accumulate: (variable: Variable, cotangent: Variable) => void,
): void {
  const { op, operands, outputs, attributes } = record;
  if (op.gradient === 'none') return;
  const cotangentOf = (variable: Variable) => cotangents.get(variable) ?? null;
  const gradients = op.gradient({
    operands,
    outputs,
    attributes,
    cotangents: Object.fromEntries(
      Object.entries(outputs).map(([slot, value]) => [
        slot,
        Array.isArray(value) ? value.map(cotangentOf) : cotangentOf(value as Variable),
      ]),
    ),
    wants: (slot) => listOf(operands[slot] ?? null).some((operand) => wanted.has(operand)),
    emit: builder.emit.bind(builder),
  });
  for (const [slot, value] of Object.entries(gradients)) {
    const variables = listOf(operands[slot] ?? null);
    listOf<Variable | null>(value ?? null).forEach((cotangent, index) => {
      const variable = variables[index];
      if (cotangent && variable && wanted.has(variable)) accumulate(variable, cotangent);
    });
  }
}

/** The targets and every variable computed from them. */
function dependents(records: readonly EquationRecord[], targets: readonly Variable[]): Set<Variable> {
  const reached = new Set(targets);
  for (const record of records) {
    if (operandsOf(record).some((operand) => reached.has(operand)))
      for (const output of outputsOf(record)) reached.add(output);
  }
  return reached;
}
