/** Negative log-likelihoods of targets under predicted distributions. */
import { reshape, slice } from '../../ops/functions';
import { gaussianNll, negativeBinomialNll, studentTNll } from '../../ops/loss/likelihoods';
import { float32, type Variable } from '../../ops/op';
import { expectTargets, meanOver, type Loss } from '../loss';
import { expectLast, pointMetrics, rowAxesOf } from './regression';

type LikelihoodOp = typeof gaussianNll | typeof negativeBinomialNll | typeof studentTNll;

function likelihood(name: string, op: LikelihoodOp, parameters: string, size: number): Loss {
  return {
    name,
    key: name,
    terms(output, targets, weights) {
      expectLast(name, output, size, parameters);
      expectTargets(name, targets, float32(...output.type.shape.slice(0, -1)));
      const values = output.builder.emit(op, { parameters: output, target: targets }, {}).y;
      return meanOver(values, rowAxesOf(targets), weights);
    },
    metrics: pointMetrics(name, firstParameter),
    derived: () => ({}),
  };
}

const firstParameter = (output: Variable) => reshape(slice(output, -1, 0, 1), output.type.shape.slice(0, -1));

/**
 * L = the mean of z²/2 + log σ + log(2π)/2, z = (t − μ)/σ: −log of the normal density.
 *
 * Output [..., M, 2] of μ and σ > 0, as `gaussianHead` gives; targets [..., M]; weights [...] or [B], as
 * `meanSquaredError`. Metrics `meanAbsoluteError`, `rootMeanSquaredError` of μ.
 * Source: PyTorch `nn.GaussianNLLLoss` with `full=True`, which takes σ² instead.
 */
export const gaussianLikelihood = (): Loss => likelihood('gaussianLikelihood', gaussianNll, 'mean and scale', 2);

/**
 * L = the mean of log Γ(ν/2) − log Γ((ν+1)/2) + log(πν)/2 + log σ + (ν+1)/2 log(1 + z²/ν), z = (t − μ)/σ: −log of the
 * density of Student's t with location and scale, for targets with outliers.
 *
 * Output [..., M, 3] of μ, σ > 0 and ν > 0, as `studentTHead` gives; targets [..., M]; weights [...] or [B]. Metrics
 * `meanAbsoluteError`, `rootMeanSquaredError` of μ. Source: `torch.distributions.StudentT`.
 */
export const studentTLikelihood = (): Loss =>
  likelihood('studentTLikelihood', studentTNll, 'location, scale and degrees of freedom', 3);

/**
 * L = the mean of log Γ(r) + log Γ(t+1) − log Γ(t+r) + (r + t) log(1 + αμ) − t (log α + log μ), r = 1/α: −log of the
 * probability of counts whose variance is μ + αμ².
 *
 * Output [..., M, 2] of μ > 0 and α > 0, as `negativeBinomialHead` gives; targets [..., M] ≥ 0, as they were counted, not
 * scaled; weights [...] or [B]. Metrics `meanAbsoluteError`, `rootMeanSquaredError` of μ.
 * Source: `torch.distributions.NegativeBinomial` with total_count 1/α; Salinas et al. 2020 (DeepAR).
 */
export const negativeBinomialLikelihood = (): Loss =>
  likelihood('negativeBinomialLikelihood', negativeBinomialNll, 'mean and dispersion', 2);
