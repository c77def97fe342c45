import { OptionError } from '../../errors';
import { describe } from '../../options';
import { negativeBinomialQuantile, normalQuantile, studentTQuantile } from './special';

/**
 * How the numbers that a head predicts for one target are read: a distribution, in the units of the targets that the head
 * was trained on. `parameters` are the K numbers along the last axis of the output (of a point head, the one number).
 */
export interface Distribution {
  readonly kind: 'point' | 'quantiles' | 'gaussian' | 'studentT' | 'negativeBinomial';
  /** K. */
  readonly size: number;
  /** The levels of a quantile head, ascending. */
  readonly levels?: readonly number[];
  /** The value that the target stays below with probability `p`, in (0, 1). */
  quantile(parameters: ArrayLike<number>, p: number): number;
  /** The expected value; of a quantile head, the median; of a point head, the point. */
  mean(parameters: ArrayLike<number>): number;
}

/** Throws unless this is a probability of a quantile. */
export function checkLevel(owner: string, p: unknown): void {
  if (typeof p === 'number' && p > 0 && p < 1) return;
  throw new OptionError(`${owner}: quantile: expected a probability in (0, 1), received ${describe(p)}`);
}

/** One number, and nothing said of its error: only its median can be asked for. */
export const pointDistribution: Distribution = {
  kind: 'point',
  size: 1,
  quantile(parameters, p) {
    checkLevel('pointHead', p);
    if (p === 0.5) return parameters[0]!;
    throw new OptionError(
      `pointHead: quantile: it predicts one number and no distribution, so there is no quantile ${p}; use quantileHead, gaussianHead, studentTHead or negativeBinomialHead`,
    );
  },
  mean: (parameters) => parameters[0]!,
};

/**
 * Quantiles at given levels, put in ascending order where they cross, and linear in the level between them; beyond the
 * outermost levels, the outermost value. Putting in order never raises the pinball loss. Source: Chernozhukov et al. 2010.
 */
export function quantilesDistribution(levels: readonly number[]): Distribution {
  const at = (parameters: ArrayLike<number>, p: number): number => {
    const values = Array.from(parameters).sort((a, b) => a - b);
    const above = levels.findIndex((level) => level >= p);
    if (above === 0) return values[0]!;
    if (above < 0) return values.at(-1)!;
    const [low, high] = [levels[above - 1]!, levels[above]!];
    const share = (p - low) / (high - low);
    return values[above - 1]! + share * (values[above]! - values[above - 1]!);
  };
  return {
    kind: 'quantiles',
    size: levels.length,
    levels,
    quantile(parameters, p) {
      checkLevel('quantileHead', p);
      return at(parameters, p);
    },
    mean: (parameters) => at(parameters, 0.5),
  };
}

/** A distribution that says its quantiles; one at a uniform number is a draw. */
function continuous(
  kind: Distribution['kind'],
  owner: string,
  size: number,
  quantile: Distribution['quantile'],
  mean: Distribution['mean'] = (parameters) => parameters[0]!,
): Distribution {
  return {
    kind,
    size,
    quantile(parameters, p) {
      checkLevel(owner, p);
      return quantile(parameters, p);
    },
    mean,
  };
}

/** N(μ, σ²) of μ, σ. */
export const gaussianDistribution = continuous(
  'gaussian',
  'gaussianHead',
  2,
  (parameters, p) => parameters[0]! + parameters[1]! * normalQuantile(p),
);

/** Student's t of location, scale and degrees of freedom; its mean is the location. */
export const studentTDistribution = continuous(
  'studentT',
  'studentTHead',
  3,
  (parameters, p) => parameters[0]! + parameters[1]! * studentTQuantile(p, parameters[2]!),
);

/** Counts of mean μ and variance μ + αμ², of μ, α. */
export const negativeBinomialDistribution = continuous('negativeBinomial', 'negativeBinomialHead', 2, (parameters, p) =>
  negativeBinomialQuantile(p, parameters[0]!, parameters[1]!),
);
