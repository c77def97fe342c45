import { OptionError, ShapeError } from '../../errors';
import { add, multiply, negate, softplus, subtract } from '../../ops/functions';
import { constant } from '../../ops/elementwise/constant';
import type { Variable } from '../../ops/op';
import { checkOptions, describe } from '../../options';
import { expectTargets, meanOver, type Loss } from '../loss';
import { f1, precision, recall } from './classes';
import { rowAxesOf } from './regression';

export interface BinaryCrossEntropyOptions {
  /** p > 0: how much a target 1 counts against a target 0; a number, or one for each of the F labels. Default 1. */
  readonly posWeight?: number | readonly number[];
}

const isWeight = (weight: unknown) => typeof weight === 'number' && weight > 0 && Number.isFinite(weight);

/**
 * L = Σ_r w_r Σ_f [p t·softplus(−x) + (1 − t)·softplus(x)] / (F · Σ_r w_r): of logits x, −log σ(x) where t is 1,
 * −log(1 − σ(x)) where it is 0. No term is a difference, so that small losses keep their digits.
 *
 * Logits [..., F] and targets [..., F], float32, in [0, 1]; weights [...] or [B]. Metrics `f1`, `precision`, `recall`, their
 * means over the F labels, of which one is predicted where its logit is positive.
 * Source: PyTorch `nn.BCEWithLogitsLoss`.
 */
export function binaryCrossEntropy(options: BinaryCrossEntropyOptions = {}): Loss {
  checkOptions('binaryCrossEntropy', options, ['posWeight']);
  const { posWeight = 1 } = options;
  const list = [posWeight].flat() as readonly number[];
  if (list.length === 0 || !list.every(isWeight))
    throw new OptionError(
      `binaryCrossEntropy: posWeight: expected a positive number, or one for each label, received ${describe(posWeight)}`,
    );
  return {
    name: 'binaryCrossEntropy',
    key: `binaryCrossEntropy ${JSON.stringify(posWeight)}`,
    terms(logits, targets, weights) {
      expectTargets('binaryCrossEntropy', targets, logits.type);
      const hit = multiply(weighted(targets, posWeight), softplus(negate(logits)));
      const miss = multiply(subtract(1, targets), softplus(logits));
      return meanOver(add(hit, miss), rowAxesOf(targets), weights);
    },
    metrics: { f1: f1(), precision: precision(), recall: recall() },
    derived: () => ({}),
  };
}

function weighted(targets: Variable, posWeight: number | readonly number[]): Variable {
  if (posWeight === 1) return targets;
  if (typeof posWeight === 'number') return multiply(targets, posWeight);
  const labels = targets.type.shape.at(-1);
  if (posWeight.length !== labels)
    throw new ShapeError(
      `binaryCrossEntropy: posWeight: expected one for each of ${labels} labels, received ${posWeight.length}`,
    );
  const values = targets.builder.emit(constant, {}, { values: [...posWeight], shape: [labels] }).y;
  return multiply(targets, values);
}
