import { OptionError } from '../../errors';
import { multiply } from '../../ops/functions';
import { accuracy } from '../../ops/loss/accuracy';
import { crossEntropy as crossEntropyOp } from '../../ops/loss/crossEntropy';
import { int32, type Variable } from '../../ops/op';
import { checkOptions, describe } from '../../options';
import { expectTargets, weightRows, type Loss } from '../loss';
import { ratio } from '../metric';

/**
 * L = Σ w·(log Σ exp(logits) − logit of the target) / Σ w, over targets that are not `ignoreIndex`.
 *
 * Logits [..., V]; targets int32 [...]; weights [...] or [B]. Default `ignoreIndex` −100. A batch without any counted
 * target has loss 0. Figures: `perplexity`, `bitsPerCharacter`; metric `accuracy`, the fraction of counted targets that
 * have the largest logit. Source: PyTorch `nn.CrossEntropyLoss`.
 */
export function crossEntropy(options: { readonly ignoreIndex?: number } = {}): Loss {
  checkOptions('crossEntropy', options, ['ignoreIndex']);
  const { ignoreIndex = -100 } = options;
  if (!Number.isInteger(ignoreIndex))
    throw new OptionError(`crossEntropy: ignoreIndex: expected an integer, received ${describe(ignoreIndex)}`);
  const attributes = { ignore_index: ignoreIndex };
  const operands = (logits: Variable, targets: Variable, weights: Variable | null) => {
    expectTargets('crossEntropy', targets, int32(...logits.type.shape.slice(0, -1)));
    const classes = logits.type.shape[logits.type.shape.length - 1]!;
    targets.builder.requireRange(targets, { below: classes, except: attributes.ignore_index });
    return { logits, targets, weights: weightRows(weights, logits.type.shape.slice(0, -1)) };
  };
  return {
    name: 'crossEntropy',
    key: `crossEntropy ${attributes.ignore_index}`,
    terms(logits, targets, weights) {
      const { loss, total_weight } = logits.builder.emit(
        crossEntropyOp,
        operands(logits, targets, weights),
        attributes,
      );
      return { loss, totalWeight: total_weight };
    },
    metrics: {
      accuracy: {
        name: 'accuracy',
        key: `accuracy ${ignoreIndex}`,
        sums(logits, targets, weights) {
          const rows = operands(logits, targets, weights);
          const { total_weight } = logits.builder.emit(crossEntropyOp, rows, attributes);
          const fraction = logits.builder.emit(accuracy, rows, attributes).accuracy;
          return { correct: multiply(fraction, total_weight), total: total_weight };
        },
        figure: ({ correct, total }) => ratio(correct![0]!, total![0]!),
      },
    },
    derived: (loss) => ({ perplexity: Math.exp(loss), bitsPerCharacter: loss / Math.LN2 }),
  };
}
