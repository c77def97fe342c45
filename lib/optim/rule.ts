/** An optimizer from its update op: a new one is the op, its options, and the names of its states. */
import type { Op, Variable } from '../ops/op';
import { elementCount } from '../ops/shape';
import type { ProgramBuilder } from '../program/builder';
import { listOf } from '../program/program';
import { groupSettings, groupsOf, type GroupedOptions } from './groups';
import type { Optimizer, Trainable } from './optimizer';
import type { Json, Schedule } from './schedule';

/** A float64 state that tells of the steps so far. */
export interface Progress {
  readonly slot: string;
  readonly name: string;
  readonly shape: readonly number[];
  readonly initial: readonly number[];
}

export interface UpdateRule {
  readonly op: Op;
  readonly attributes: Readonly<Record<string, number | boolean>>;
  /** Slots of the op with a state of each parameter's shape, and the kind under which the store has these; others of the op are empty. */
  readonly moments: Readonly<Record<string, string>>;
  /** What moments begin with. Default 0. */
  readonly firstMoment?: number;
  readonly progress?: Progress | null;
}

/** The optimizer `name` with these options, of which `lr` and `weightDecay` have their defaults. */
export function ruleOptimizer(
  name: string,
  {
    settings,
    ...options
  }: GroupedOptions & { lr: number | Schedule; weightDecay: number; settings: Record<string, Json> },
  rule: UpdateRule,
): Optimizer {
  const { op, moments, firstMoment = 0, progress = null } = rule;
  const groups = groupsOf(name, options);
  return {
    name,
    settings: { name, ...settings, ...groupSettings(options) },
    groups,
    states: (parameters) => [
      ...Object.values(moments).flatMap((kind) =>
        parameters.map(({ path, shape }) => ({
          name: `${kind}.${path}`,
          dtype: 'float32' as const,
          shape,
          ...(firstMoment !== 0 && { initial: new Float32Array(elementCount(shape)).fill(firstMoment) }),
        })),
      ),
      ...(progress ? [{ ...progress, dtype: 'float64' as const }] : []),
    ],
    emit(builder, trainables, scalars) {
      const stored = statesBySlot(rule, builder, trainables);
      const variables = Object.entries(stored).map(([slot, states]) => {
        const list = states.map(({ variable }) => variable);
        return [slot, op.operands[slot]!.arity === 'many' ? list : list[0]!] as const;
      });
      const gradients = trainables.map(({ gradient }) => gradient);
      const operands = { ...Object.fromEntries(variables), gradients, ...scalars };
      const attributes = { groups: trainables.map(({ group }) => group), ...rule.attributes };
      const next = builder.emit(op, operands, attributes);
      for (const [slot, states] of Object.entries(stored))
        listOf(next[slot]!).forEach((variable, index) => builder.setNext(states[index]!.name, variable));
    },
  };
}

/** The states that an update overwrites, by slot of its op. */
function statesBySlot(
  { op, moments, progress }: UpdateRule,
  builder: ProgramBuilder,
  trainables: readonly Trainable[],
) {
  const overwritten = Object.keys(op.outputs).map((slot): [string, readonly { name: string; variable: Variable }[]] => {
    if (slot === 'parameters')
      return [slot, trainables.map(({ path, parameter }) => ({ name: path, variable: parameter }))];
    const kind = moments[slot];
    if (kind !== undefined)
      return [slot, trainables.map(({ path, shape }) => moment(builder, `${kind}.${path}`, shape))];
    if (progress?.slot !== slot) return [slot, []];
    return [
      slot,
      [{ name: progress.name, variable: builder.state(progress.name, { dtype: 'float64', shape: progress.shape }) }],
    ];
  });
  return Object.fromEntries(overwritten);
}

const moment = (builder: ProgramBuilder, name: string, shape: readonly number[]) => ({
  name,
  variable: builder.state(name, { dtype: 'float32', shape }),
});
