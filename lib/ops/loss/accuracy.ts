import { defineOp, float32, one, onDemand, optional, type View } from '../op';
import { expectRows, weightOf } from './crossEntropy';

const operands = { logits: one('float32'), targets: one('int32'), weights: optional('float32') } as const;

/** The class of the largest logit (the first, of equals) of a row. */
function bestOf({ data, shape }: View, row: number): number {
  const size = shape.at(-1)!;
  const scores = data.subarray(row * size, (row + 1) * size);
  let best = 0;
  for (let k = 1; k < size; k++) if (scores[k]! > scores[best]!) best = k;
  return best;
}

/** The weighted fraction of rows whose largest logit (the first, of equals) stands at the target; 0 when Σ w = 0. */
export const accuracy = defineOp({
  name: 'accuracy',
  operands,
  outputs: { accuracy: one('float32'), total_weight: onDemand('float32') },
  attributes: { ignore_index: 'integer' },
  infer({ logits, targets, weights }) {
    expectRows(logits, targets, weights);
    return { accuracy: float32(), total_weight: float32() };
  },
  gradient: 'none',
  reference({ operands: { logits, targets, weights }, outputs, attributes: { ignore_index } }) {
    let [correct, total] = [0, 0];
    for (let row = 0; row < targets.data.length; row++) {
      const weight = weightOf(targets, weights, row, ignore_index);
      total += weight;
      if (bestOf(logits, row) === targets.data[row]) correct += weight;
    }
    outputs.accuracy.data[0] = total === 0 ? 0 : correct / total;
    outputs.total_weight.data[0] = total;
  },
});

/** Of each class, Σ w of the rows that are predicted to be of it and are (`met`), that are predicted to be, and that are. */
export const classCounts = defineOp({
  name: 'class_counts',
  operands,
  outputs: { met: one('float32'), predicted: one('float32'), actual: one('float32') },
  attributes: { ignore_index: 'integer' },
  infer({ logits, targets, weights }) {
    expectRows(logits, targets, weights);
    const counts = float32(...logits.shape.slice(-1));
    return { met: counts, predicted: counts, actual: counts };
  },
  gradient: 'none',
  reference({ operands: { logits, targets, weights }, outputs: { met, predicted, actual }, attributes }) {
    for (let row = 0; row < targets.data.length; row++) {
      const weight = weightOf(targets, weights, row, attributes.ignore_index);
      if (weight === 0) continue;
      const [target, best] = [targets.data[row]!, bestOf(logits, row)];
      if (best === target) met.data[target]! += weight;
      predicted.data[best]! += weight;
      actual.data[target]! += weight;
    }
  },
});
