import { OptionError, ShapeError } from '../../errors';
import { constant } from '../../ops/elementwise/constant';
import { crossEntropy as crossEntropyOp } from '../../ops/loss/crossEntropy';
import { checkOptions, describe } from '../../options';
import type { Loss } from '../loss';
import { accuracy, checkIgnoreIndex, classOperands, f1, precision, recall } from './classes';

export interface CrossEntropyOptions {
  /** A target that counts nothing. Default −100. */
  readonly ignoreIndex?: number;
  /** ε in [0, 1): how much of each label is shared out evenly among all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** c_k ≥ 0, one for each class: how much its targets count. Default: all alike. */
  readonly classWeights?: readonly number[];
}

function checkCrossEntropy(options: CrossEntropyOptions): void {
  checkOptions('crossEntropy', options, ['ignoreIndex', 'labelSmoothing', 'classWeights']);
  const { ignoreIndex = -100, labelSmoothing = 0, classWeights } = options;
  checkIgnoreIndex('crossEntropy', ignoreIndex);
  if (!(typeof labelSmoothing === 'number' && labelSmoothing >= 0 && labelSmoothing < 1))
    throw new OptionError(
      `crossEntropy: labelSmoothing: expected a number in [0, 1), received ${describe(labelSmoothing)}`,
    );
  const isWeight = (weight: unknown) => typeof weight === 'number' && weight >= 0 && Number.isFinite(weight);
  if (classWeights !== undefined && !(Array.isArray(classWeights) && classWeights.every(isWeight)))
    throw new OptionError(
      `crossEntropy: classWeights: expected numbers >= 0, one for each class, received ${describe(classWeights)}`,
    );
}

/**
 * L = Σ w·[(1 − ε) c_y·nll_y + ε/V Σ_k c_k·nll_k] / Σ w·c_y, nll_k = log Σ exp(logits) − logit_k, over targets y that are
 * not `ignoreIndex`.
 *
 * Logits [..., V]; targets int32 [...]; weights [...] or [B]. Without `labelSmoothing` ε and `classWeights` c that is
 * Σ w·nll_y / Σ w. A batch without any counted target has loss 0. Figures: `perplexity`, `bitsPerCharacter`; metrics
 * `accuracy`, the fraction of counted targets that have the largest logit, and `precision`, `recall` and `f1`, their means
 * over the classes. Source: PyTorch `nn.CrossEntropyLoss`; Szegedy et al. 2016 for the smoothing.
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  checkCrossEntropy(options);
  const { ignoreIndex = -100, labelSmoothing = 0 } = options;
  const classWeights = options.classWeights && [...options.classWeights];
  const operands = classOperands('crossEntropy', ignoreIndex);
  const attributes = { ignore_index: ignoreIndex, label_smoothing: labelSmoothing };
  return {
    name: 'crossEntropy',
    key: `crossEntropy ${JSON.stringify([ignoreIndex, labelSmoothing, classWeights])}`,
    terms(logits, targets, weights) {
      const { builder } = logits;
      const rows = operands(logits, targets, weights);
      const classes = logits.type.shape.at(-1)!;
      if (classWeights && classWeights.length !== classes)
        throw new ShapeError(
          `crossEntropy: classWeights: expected one for each of ${classes} classes, received ${classWeights.length}`,
        );
      const class_weights = classWeights && builder.emit(constant, {}, { values: classWeights, shape: [classes] }).y;
      const { loss, total_weight } = builder.emit(crossEntropyOp, { ...rows, class_weights }, attributes);
      return { loss, totalWeight: total_weight };
    },
    metrics: {
      accuracy: accuracy({ ignoreIndex }),
      f1: f1({ ignoreIndex }),
      precision: precision({ ignoreIndex }),
      recall: recall({ ignoreIndex }),
    },
    derived: (loss) => ({ perplexity: Math.exp(loss), bitsPerCharacter: loss / Math.LN2 }),
  };
}
