/** What recurrent layers did at every step of a program, and the gradients that reached them there. */
import { isVariable, type Variable } from '../ops/op';
import type { EquationRecord, ProgramBuilder } from '../program/builder';
import type { LayerRecord } from '../nn/records';

const variablesOf = (slots: EquationRecord['outputs'] | EquationRecord['operands']) =>
  Object.values(slots)
    .flat()
    .filter((variable): variable is Variable => variable !== null);

/** Gradients that are shown although nothing else in a program needs them. */
const shownGradients: readonly string[] = ['dh', 'dcells'];

/**
 * The record of a layer, and beside it, once the program is differentiated, what its backward equation gives over time:
 * `dh`, `dcells`, and all that the other gradients are made of, such as `dgates`.
 */
export function perStepOf(builder: ProgramBuilder, record: LayerRecord): Readonly<Record<string, Variable>> {
  const forward = builder.records.find(({ outputs }) => variablesOf(outputs).includes(record.hidden));
  const made = forward ? variablesOf(forward.outputs) : [];
  const backward = builder.records.find(
    ({ op, operands }) =>
      op.name === `${forward?.op.name}_backward` && variablesOf(operands).some((operand) => made.includes(operand)),
  );
  const [steps] = record.hidden.type.shape;
  const read = new Set(builder.records.flatMap(({ operands }) => variablesOf(operands)));
  const overTime = Object.entries(backward?.outputs ?? {}).filter(([slot, made]) => {
    if (!isVariable(made) || !(shownGradients.includes(slot) || read.has(made))) return false;
    const { shape } = made.type;
    return shape.length === 3 && shape[0] === steps;
  });
  return { ...record, ...(Object.fromEntries(overTime) as Record<string, Variable>) };
}
