/** The one program of a training step: forward, loss, backward, clip, update; one native call runs it. */
import { DataError, OptionError, ShapeError } from '../errors';
import type { AnyOutputs, Loss, LossFunction, LossTerms, Outputs } from '../nn/loss';
import * as losses from '../nn/losses';
import { lossMetric, type Metric } from '../nn/metric';
import { singleOutput, type Network, type Writing } from '../nn/network';
import type { Signature } from '../nn/signature';
import type { TraceMode } from '../nn/trace';
import type { Variable } from '../ops/op';
import { formatShape } from '../ops/shape';
import { expectVariable } from '../ops/variable';
import { describe } from '../options';
import { writeSums } from './accumulation';
import { names } from './names';
import { writeGradients, writeUpdate, type Update } from './update';

export { names };

/** Outputs that hold metrics bear this prefix. */
export const metricPrefix = 'metric.';

/** A metric of one's own: as a loss of one's own, see `LossFunction`. */
export type MetricFunction<O extends Outputs = AnyOutputs> = LossFunction<O>;
/** Names of the loss's own metrics; or, by name, functions to a scalar, metrics such as `f1()`, and losses. */
export type Metrics<O extends Outputs = AnyOutputs> =
  readonly string[] | Readonly<Record<string, MetricFunction<O> | Metric | Loss>>;

export interface Objective<O extends Outputs = never> {
  /**
   * `crossEntropy()`, `meanSquaredError()` and their like, or a function of (outputs, targets, weights) to a scalar
   * Variable. Default: the loss that the model's last layer brings, as heads do.
   */
  readonly loss?: Loss | LossFunction<O>;
  /**
   * What is measured beside the loss: names of metrics that come with it, `['accuracy']` with `crossEntropy()`; or, by
   * name, metrics, other losses, and functions: `{ f1: f1(), mae: meanAbsoluteError(), bias: (output, targets) =>
   * mean(subtract(output, targets)) }`. The results stand among the figures.
   */
  readonly metrics?: Metrics<O>;
}

const functionNumbers = new WeakMap<object, number>();
let functions = 0;

/** Equal for the same function only. */
function numberOf(of: object): number {
  const known = functionNumbers.get(of) ?? ++functions;
  functionNumbers.set(of, known);
  return known;
}

/** Equal for objectives that write equal equations: functions are told apart by identity, as they run once. */
export function objectiveKey(objective: Objective): string {
  const keyOf = (part: Loss | Metric | LossFunction<never>) =>
    typeof part === 'function' ? `function ${numberOf(part)}` : part.key;
  const metrics = [...chosenMetrics(objective)].map(([name, metric]) => `${name}:${keyOf(metric)}`);
  return JSON.stringify([keyOf(lossOf(objective)), ...metrics]);
}

/** The loss, which must be settled where a step is taken. */
export function lossOf({ loss }: Objective): Loss | LossFunction<never> {
  if (loss === undefined) throw new OptionError('loss: expected a loss, received none');
  return loss;
}

const isLoss = (metric: Metric | Loss): metric is Loss => 'terms' in metric;

/** The metrics asked for, by the names of their figures. */
export function chosenMetrics(objective: Objective): Map<string, Metric | MetricFunction<never>> {
  const { metrics = [] } = objective;
  const loss = lossOf(objective);
  const builtIn = typeof loss === 'function' ? {} : loss.metrics;
  if (!isNameList(metrics)) {
    const entries = Object.entries(metrics).map(
      ([name, metric]) => [name, typeof metric !== 'function' && isLoss(metric) ? lossMetric(metric) : metric] as const,
    );
    return new Map(entries);
  }
  return new Map(
    metrics.map((name) => {
      const metric = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined;
      if (metric) return [name, metric] as const;
      throw new OptionError(
        `metrics: unknown metric '${name}'; this loss has ${Object.keys(builtIn).join(', ') || 'none'}`,
      );
    }),
  );
}

/** Names of figures that follow from the loss, for which less is better as for the loss itself. */
export function derivedNames(objective: Objective): string[] {
  const loss = lossOf(objective);
  return typeof loss === 'function' ? [] : Object.keys(loss.derived(0));
}

/** Names of all figures that steps, passes and evaluations with this objective have. */
export const figureNames = (objective: Objective): string[] => [
  'loss',
  ...derivedNames(objective),
  ...chosenMetrics(objective).keys(),
];

/** Throws unless there is a loss, and metrics are names or functions by name. */
export function checkObjective(owner: string, { loss, metrics = [] }: Objective): void {
  const uncalled: readonly unknown[] = Object.values(losses);
  if ((typeof loss !== 'function' && typeof loss?.terms !== 'function') || uncalled.includes(loss)) {
    throw new OptionError(
      `${owner}: loss: expected a loss such as crossEntropy(), called, or a function of your own, received ${describe(loss)}`,
    );
  }
  const isMetric = (metric: unknown) =>
    !uncalled.includes(metric) &&
    (typeof metric === 'function' || 'sums' in Object(metric) || typeof (metric as Loss)?.terms === 'function');
  const valid = isNameList(metrics)
    ? metrics.every((name: unknown) => typeof name === 'string')
    : typeof metrics === 'object' && metrics !== null && Object.values(metrics).every(isMetric);
  if (!valid)
    throw new OptionError(`${owner}: metrics: expected names, or functions by name, received ${describe(metrics)}`);
  const taken = ['loss', ...derivedNames({ loss })];
  const chosen = isNameList(metrics) ? metrics : Object.keys(metrics);
  for (const name of chosen.filter((name) => taken.includes(name)))
    throw new OptionError(
      `${owner}: metrics: ${name} stands among the figures without being asked for; give yours another name`,
    );
}

/** Writes forward and loss; with `update`, also gradients and the optimizer's step in the commit. */
export function writeStep(
  network: Network,
  batch: Signature,
  supervision: Signature,
  mode: TraceMode,
  objective: Objective,
  update: Update | null,
) {
  return network.write(
    batch,
    mode,
    (writing) => {
      const { loss, totalWeight } = writeLoss(writing, objective);
      writing.builder.output(names.loss, loss);
      writing.builder.guard(names.loss, loss);
      if (totalWeight) writing.builder.output(names.totalWeight, totalWeight);
      writeMetrics(writing, objective);
      if (!update) return;
      const trainables = writeGradients(network, writing, loss, update.optimizer);
      if (update.sums) writeSums(writing.builder, trainables, totalWeight);
      else writeUpdate(writing.builder, trainables, update);
    },
    supervision,
  );
}

/** What a loss sees: the single output itself, or all by name. */
const seen = ({ outputs, result }: Writing): never =>
  (Object.keys(outputs).length === 1 ? (outputs[singleOutput] ?? result) : result) as never;

function builtInOperands(writing: Writing, name: string): [Variable, Variable, Variable | null] {
  const output = writing.outputs[singleOutput];
  const targets = writing.inputs[names.targets];
  if (!output) {
    const received = Object.keys(writing.outputs).join(', ');
    throw new DataError(
      `${name}: expected forward to return one Variable, or one named 'output'; received ${received}`,
    );
  }
  if (!targets) throw new DataError(`${name}: the batch has no targets`);
  return [output, targets, writing.inputs[names.weights] ?? null];
}

function writeLoss(writing: Writing, objective: Objective): LossTerms {
  const loss = lossOf(objective);
  return writing.builder.scope('loss', () => {
    if (typeof loss !== 'function') return loss.terms(...builtInOperands(writing, loss.name));
    const { [names.targets]: targets, [names.weights]: weights = null } = writing.inputs;
    const scalar = loss(seen(writing), targets as Variable, weights);
    expectScalar(scalar);
    return { loss: scalar, totalWeight: null };
  });
}

/** Throws unless a function of the user's own gave what a step can minimise or report; the scope says which function. */
function expectScalar(value: unknown): asserts value is Variable {
  expectVariable('result', value);
  const { shape } = value.type;
  if (shape.length !== 0)
    throw new ShapeError(`expected a scalar [], received ${formatShape(shape)}; use mean() or sum()`);
}

function writeMetrics(writing: Writing, objective: Objective): void {
  const { builder, inputs } = writing;
  for (const [name, metric] of chosenMetrics(objective)) {
    builder.scope(`metrics.${name}`, () => {
      if (typeof metric !== 'function') {
        const sums = metric.sums(...builtInOperands(writing, name));
        for (const [part, sum] of Object.entries(sums)) builder.output(`${metricPrefix}${name}/${part}`, sum);
        return;
      }
      const scalar = metric(seen(writing), inputs[names.targets] as Variable, inputs[names.weights] ?? null);
      expectScalar(scalar);
      builder.output(metricPrefix + name, scalar);
    });
  }
}

const isNameList = (metrics: Metrics<never>): metrics is readonly string[] => Array.isArray(metrics);
