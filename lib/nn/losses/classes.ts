/** Metrics of classes: of integer targets beside logits of V classes, or of targets 0 and 1 beside one logit for each. */
import { OptionError } from '../../errors';
import { multiply, reshape, sum } from '../../ops/functions';
import { heaviside } from '../../ops/elementwise/penalties';
import { broadcast } from '../../ops/layout/broadcast';
import { accuracy as accuracyOp, classCounts } from '../../ops/loss/accuracy';
import { int32, type Variable } from '../../ops/op';
import { checkOptions, describe } from '../../options';
import { expectTargets, weightRows } from '../loss';
import { ratio, type Metric } from '../metric';

export interface AccuracyOptions {
  /** An integer target that counts nothing. Default −100. */
  readonly ignoreIndex?: number;
}

export interface ClassMetricOptions extends AccuracyOptions {
  /**
   * `macro` (default): the mean over the classes that occur, as targets or as predictions. `micro`: of the sums over all
   * classes, so that each target counts alike.
   */
  readonly average?: 'macro' | 'micro';
}

/** The logits' rows, targets and weights of a loss or metric of classes, checked. */
export function classOperands(name: string, ignoreIndex: number) {
  return (logits: Variable, targets: Variable, weights: Variable | null) => {
    const rows = logits.type.shape.slice(0, -1);
    expectTargets(name, targets, int32(...rows));
    targets.builder.requireRange(targets, { below: logits.type.shape.at(-1)!, except: ignoreIndex });
    return { logits, targets, weights: weightRows(weights, rows) };
  };
}

/** Throws unless this can be a target that is to be ignored. */
export function checkIgnoreIndex(owner: string, ignoreIndex: unknown): void {
  if (!Number.isInteger(ignoreIndex))
    throw new OptionError(`${owner}: ignoreIndex: expected an integer, received ${describe(ignoreIndex)}`);
}

/** Of each class: Σ w of what is predicted to be of it and is, of what is predicted to be, and of what is. */
interface Counts {
  readonly met: Variable;
  readonly predicted: Variable;
  readonly actual: Variable;
}

function countsOf(name: string, ignoreIndex: number) {
  const operands = classOperands(name, ignoreIndex);
  return (output: Variable, targets: Variable, weights: Variable | null): Counts =>
    targets.type.dtype === 'int32'
      ? output.builder.emit(classCounts, operands(output, targets, weights), { ignore_index: ignoreIndex })
      : labelCounts(name, output, targets, weights);
}

/** Logits and targets 0 or 1 [..., F]: a label is predicted where its logit is positive. */
function labelCounts(name: string, logits: Variable, targets: Variable, weights: Variable | null): Counts {
  expectTargets(name, targets, logits.type);
  const { builder, type } = logits;
  const rows = type.shape.slice(0, -1);
  const axes = rows.map((_, axis) => axis);
  const repeated = weightRows(weights, rows);
  const spread = repeated && builder.emit(broadcast, { x: reshape(repeated, [...rows, 1]) }, { shape: type.shape }).y;
  const count = (labels: Variable) => sum(spread ? multiply(labels, spread) : labels, axes);
  const predicted = builder.emit(heaviside, { x: logits }, {}).y;
  return { met: count(multiply(predicted, targets)), predicted: count(predicted), actual: count(targets) };
}

/**
 * The fraction of targets that have the largest logit (the first, of equals); 0 where nothing counts. Named `accuracy` with
 * `crossEntropy()`.
 */
export function accuracy(options: AccuracyOptions = {}): Metric {
  checkOptions('accuracy', options, ['ignoreIndex']);
  const { ignoreIndex = -100 } = options;
  checkIgnoreIndex('accuracy', ignoreIndex);
  const operands = classOperands('accuracy', ignoreIndex);
  return {
    name: 'accuracy',
    key: `accuracy ${ignoreIndex}`,
    sums(logits, targets, weights) {
      const attributes = { ignore_index: ignoreIndex };
      const { builder } = logits;
      const found = builder.emit(accuracyOp, operands(logits, targets, weights), attributes);
      return { met: multiply(found.accuracy, found.total_weight), total: found.total_weight };
    },
    figure: ({ met, total }) => ratio(met![0]!, total![0]!),
  };
}

type Score = (met: number, predicted: number, actual: number) => number;

function classMetric(name: string, options: ClassMetricOptions, score: Score): Metric {
  checkOptions(name, options, ['average', 'ignoreIndex']);
  const { average = 'macro', ignoreIndex = -100 } = options;
  checkIgnoreIndex(name, ignoreIndex);
  if (average !== 'macro' && average !== 'micro')
    throw new OptionError(`${name}: average: expected 'macro' or 'micro', received ${describe(average)}`);
  const counts = countsOf(name, ignoreIndex);
  const total = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
  return {
    name,
    key: `${name} ${average} ${ignoreIndex}`,
    sums: (output, targets, weights) => ({ ...counts(output, targets, weights) }),
    figure({ met, predicted, actual }) {
      if (average === 'micro') return score(total(met!), total(predicted!), total(actual!));
      const scores = Array.from(met!, (value, k) =>
        predicted![k]! + actual![k]! > 0 ? [score(value, predicted![k]!, actual![k]!)] : [],
      ).flat();
      return ratio(total(scores), scores.length);
    },
  };
}

/**
 * F1 = 2·TP / (2·TP + FP + FN), from counts summed over all batches; 0 where nothing is predicted or to be found.
 *
 * Beside logits [..., V] and int32 targets, or logits and targets 0 or 1 [..., F], of which a label is predicted where its
 * logit is positive. Weights count. The `micro` average over classes of which one is right is the accuracy.
 *
 *     model.evaluate(data, { loss: crossEntropy(), metrics: { f1: f1({ average: 'micro' }) } });
 */
export const f1 = (options: ClassMetricOptions = {}): Metric =>
  classMetric('f1', options, (met, predicted, actual) => ratio(2 * met, predicted + actual));

/** TP / (TP + FP): of what is predicted to be of a class, how much is; options and batches as `f1`. */
export const precision = (options: ClassMetricOptions = {}): Metric =>
  classMetric('precision', options, (met, predicted) => ratio(met, predicted));

/** TP / (TP + FN): of what is of a class, how much is predicted to be; options and batches as `f1`. */
export const recall = (options: ClassMetricOptions = {}): Metric =>
  classMetric('recall', options, (met, _, actual) => ratio(met, actual));
