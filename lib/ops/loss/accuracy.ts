import { defineOp, float32, one, optional } from '../op';
import { expectRows, weightOf } from './crossEntropy';

/** The weighted fraction of rows whose largest logit (the first, of equals) stands at the target; 0 when Σ w = 0. */
export const accuracy = defineOp({
  name: 'accuracy',
  operands: { logits: one('float32'), targets: one('int32'), weights: optional('float32') },
  outputs: { accuracy: one('float32') },
  attributes: { ignore_index: 'integer' },
  infer({ logits, targets, weights }) {
    expectRows(logits, targets, weights);
    return { accuracy: float32() };
  },
  gradient: 'none',
  reference({ operands: { logits, targets, weights }, outputs, attributes: { ignore_index } }) {
    const size = logits.shape.at(-1)!;
    let [correct, total] = [0, 0];
    for (let row = 0; row < targets.data.length; row++) {
      const weight = weightOf(targets, weights, row, ignore_index);
      const scores = logits.data.subarray(row * size, (row + 1) * size);
      let best = 0;
      for (let k = 1; k < size; k++) if (scores[k]! > scores[best]!) best = k;
      total += weight;
      if (best === targets.data[row]) correct += weight;
    }
    outputs.accuracy.data[0] = total === 0 ? 0 : correct / total;
  },
});
