import type { Variable } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { gradient } from '../../lib/program/gradient';
import { declareInputs, evaluate, run, typeOf, type Values, type Write } from './evaluate';
import { Random, type Tensor } from './random';

const step = 1e-6;
const tolerance = { absolute: 1e-5, relative: 1e-3 };
/** Of sums over all values, in which a wrong element counts for little. */
const toleranceOfSums = { absolute: 1e-6, relative: 1e-5 };
const directionCount = 8;

export interface GradientCheck {
  /** The results that the scalar depends on. Default: all float32 results. */
  readonly on?: readonly string[];
  /** float32 values that are data and receive no gradient. */
  readonly constants?: readonly string[];
  /**
   * Compares along 8 random directions instead of element by element: of each value, for larger sizes; or of all of them
   * together, for many cases.
   */
  readonly directions?: boolean | 'together';
  readonly seed?: number;
}

interface Derivative {
  readonly place: string;
  readonly rule: number;
  readonly difference: number;
}

/**
 * Compares the gradient rules with central finite differences in float64, for every float32 value, of the scalar
 * Σ cotangent·result with random cotangents. Throws, naming the worst place, when they differ.
 */
export function checkGradient(values: Values, write: Write, options: GradientCheck = {}): void {
  const derivatives = compareGradients(values, write, options);
  const { absolute, relative } = options.directions === 'together' ? toleranceOfSums : tolerance;
  const excess = ({ rule, difference }: Derivative) =>
    Math.abs(rule - difference) - absolute - relative * Math.abs(difference);
  const wrong = derivatives.filter((derivative) => !(excess(derivative) <= 0)).sort((a, b) => excess(b) - excess(a));
  const [worst] = wrong;
  if (worst) {
    const { place, rule, difference } = worst;
    throw new Error(
      `${wrong.length} of ${derivatives.length} gradients differ; ${place}: the rule gives ${rule}, the finite difference ${difference}`,
    );
  }
}

function compareGradients(
  values: Values,
  write: Write,
  { on, constants = [], directions = false, seed = 1 }: GradientCheck,
) {
  const random = new Random(seed);
  const names = Object.keys(values).filter(
    (name) => typeOf(values[name]!).dtype === 'float32' && !constants.includes(name),
  );
  const results = evaluate(values, write);
  const chosen = on ?? Object.keys(results).filter((name) => isFloat(results[name]!));
  const cotangents = Object.fromEntries(chosen.map((name) => [name, random.normal(...results[name]!.shape)]));
  const scalarOf = (moved: Values) => {
    const made = evaluate(moved, write);
    return chosen.reduce((sum, result) => sum + dot(cotangents[result]!.data, made[result]!.data), 0);
  };
  const scalar = (name: string, data: Float64Array) => scalarOf({ ...values, [name]: { ...values[name]!, data } });
  const rules = gradientsByRule(values, write, cotangents, names);
  const zeros = (name: string) => new Float64Array(values[name]!.data.length);
  if (directions === 'together') {
    return Array.from({ length: directionCount }, (_, index): Derivative => {
      const moves = names.map((name) => [name, random.normal(...values[name]!.shape).data] as const);
      const along = (distance: number) => {
        const moved = moves.map(([name, move]) => {
          const { data, ...rest } = values[name]!;
          return [name, { ...rest, data: Float64Array.from(data, (value, k) => value + distance * move[k]!) }] as const;
        });
        return scalarOf({ ...values, ...Object.fromEntries(moved) });
      };
      const rule = moves.reduce((sum, [name, move]) => sum + dot(move, rules[name] ?? zeros(name)), 0);
      return { place: `all[${index}]`, rule, difference: (along(step) - along(-step)) / (2 * step) };
    });
  }
  return names.flatMap((name): Derivative[] => {
    const { data, shape } = values[name]!;
    const moves = directions
      ? Array.from({ length: directionCount }, () => random.normal(...shape).data)
      : Array.from(data, (_, index) => Float64Array.from(data, (_, k) => (k === index ? 1 : 0)));
    return moves.map((move, index) => {
      const along = (distance: number) => Float64Array.from(data, (value, k) => value + distance * move[k]!);
      const difference = (scalar(name, along(step)) - scalar(name, along(-step))) / (2 * step);
      return { place: `${name}[${index}]`, rule: dot(move, rules[name] ?? zeros(name)), difference };
    });
  });
}

/** The gradients that the ops' rules give; a value that no result depends on has none. */
function gradientsByRule(values: Values, write: Write, cotangents: Values, names: readonly string[]) {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const results = write(variables, builder.emit.bind(builder));
  const seeds = Object.entries(cotangents).map(([name]) => ({
    variable: results[name]!,
    cotangent: builder.input(`d${name}`, results[name]!.type),
  }));
  const gradients = gradient(
    builder,
    seeds,
    names.map((name): Variable => variables[name]!),
  );
  gradients.forEach((variable, index) => variable && builder.output(names[index]!, variable));
  const renamed = Object.fromEntries(Object.entries(cotangents).map(([name, value]) => [`d${name}`, value]));
  const outputs = run(builder.finish(), { ...values, ...renamed });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}

const isFloat = ({ data }: Pick<Tensor, 'data'> | { data: ArrayLike<number> }) =>
  Object.prototype.toString.call(data) !== '[object Int32Array]';

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
