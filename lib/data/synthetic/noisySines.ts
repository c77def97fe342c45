import { OptionError } from '../../errors';
import { checkOptions, describe, positiveInteger } from '../../options';
import { checkSeed, Draws } from '../draws';

export interface NoisySinesOptions {
  /** Values to give, one for each unit of time. */
  readonly length: number;
  /** The periods of the waves, in units of time. Default one of 25. */
  readonly periods?: readonly number[];
  /** Their amplitudes. Default 1 for each. */
  readonly amplitudes?: readonly number[];
  /** The standard deviation of the noise. Default 0.1. */
  readonly noise?: number;
  /** For phases and noise. Default 0. */
  readonly seed?: number;
}

/**
 * A sum of sines with random phases, and noise:
 *
 *     x_t = Σ_k a_k · sin(2π (t / P_k + φ_k)) + noise · ε_t          φ_k ~ U(0, 1)
 *
 * ε has mean 0 and variance 1 and is close to normal: the sum of twelve uniform numbers, less 6. So noise² is the mean squared error
 * below which no forecast can come. The same numbers on every machine.
 */
export function noisySines(options: NoisySinesOptions): Float64Array {
  const owner = 'noisySines';
  checkOptions(owner, options, ['length', 'periods', 'amplitudes', 'noise', 'seed']);
  const { length, periods = [25], noise = 0.1, seed = 0 } = options;
  positiveInteger(owner, 'length', length);
  checkNumbers(owner, 'periods', periods, (value) => value > 0);
  const { amplitudes = periods.map(() => 1) } = options;
  checkNumbers(owner, 'amplitudes', amplitudes, () => true);
  if (amplitudes.length !== periods.length)
    throw new OptionError(`${owner}: amplitudes: expected ${periods.length}, received ${amplitudes.length}`);
  if (!(noise >= 0 && noise < Infinity))
    throw new OptionError(`${owner}: noise: expected a number of 0 or more, received ${describe(noise)}`);
  checkSeed(owner, seed);
  const draws = new Draws(seed, 0x73696e);
  const phases = periods.map(() => draws.next());
  return Float64Array.from({ length }, (_, t) => {
    const wave = periods.reduce((sum, period, k) => sum + amplitudes[k]! * sineOfTurns(t / period + phases[k]!), 0);
    return wave + noise * draws.nearlyNormal();
  });
}

function checkNumbers(owner: string, name: string, values: unknown, isValid: (value: number) => boolean): void {
  const valid =
    Array.isArray(values) &&
    values.length > 0 &&
    values.every((value: number) => Number.isFinite(value) && isValid(value));
  if (!valid)
    throw new OptionError(
      `${owner}: ${name}: expected one or more ${name === 'periods' ? 'positive ' : ''}numbers, received ${describe(values)}`,
    );
}

/** sin 2πu by Taylor's series around 0, to 1e-15: `Math.sin` differs in the last bit between versions of Node. */
function sineOfTurns(u: number): number {
  // To a quarter turn around 0, where the series is short: sin is odd about the half turn.
  const turn = u - Math.round(u);
  const quarter = Math.abs(turn) > 0.25 ? Math.sign(turn) * 0.5 - turn : turn;
  const angle = 2 * Math.PI * quarter;
  let term = angle;
  let sum = angle;
  for (let k = 2; k <= 20; k += 2) {
    term *= -(angle * angle) / (k * (k + 1));
    sum += term;
  }
  return sum;
}
