import { OptionError } from '../../errors';
import { checkOptions, describe, positiveInteger } from '../../options';
import { checkSeed, Draws } from '../draws';

export interface MackeyGlassOptions {
  /** Values to give, one for each unit of time. */
  readonly length: number;
  /** Delay τ in units of time, an integer; chaotic from 17 on. Default 17. */
  readonly tau?: number;
  /** β. Default 0.2. */
  readonly beta?: number;
  /** γ. Default 0.1. */
  readonly gamma?: number;
  /** n, an integer. Default 10. */
  readonly exponent?: number;
  /** Units of time before the first value, in which the series finds its attractor. Default 1000. */
  readonly discard?: number;
  /** Where the series begins: x = 1.2 + 0.2·u for all t <= 0, u in (-½, ½) drawn from the seed. Default 0. */
  readonly seed?: number;
}

/** Steps of the integrator in a unit of time. */
const stepsPerUnit = 10;

/** By multiplications alone: `**` differs in the last bit between versions of Node. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let factor = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), factor *= factor)
    if (rest % 2 === 1) result *= factor;
  return result;
}

/**
 * The chaotic series of Mackey & Glass:
 *
 *     dx/dt = β·x(t-τ) / (1 + x(t-τ)^n) - γ·x(t)
 *
 * integrated by Runge & Kutta's method of fourth order with steps of 0.1 (the delayed value between two steps by Hermite's cubic) and
 * sampled at each unit of time, as the field does. The same numbers on every machine.
 * Source: Mackey & Glass 1977, "Oscillation and chaos in physiological control systems".
 */
export function mackeyGlass(options: MackeyGlassOptions): Float64Array {
  const owner = 'mackeyGlass';
  checkOptions(owner, options, ['length', 'tau', 'beta', 'gamma', 'exponent', 'discard', 'seed']);
  const { length, tau = 17, beta = 0.2, gamma = 0.1, exponent = 10, discard = 1000, seed = 0 } = options;
  for (const [name, value] of Object.entries({ length, tau, exponent })) positiveInteger(owner, name, value);
  if (!Number.isInteger(discard) || discard < 0)
    throw new OptionError(`${owner}: discard: expected an integer of 0 or more, received ${describe(discard)}`);
  for (const [name, value] of Object.entries({ beta, gamma })) {
    if (!(value > 0 && value < Infinity))
      throw new OptionError(`${owner}: ${name}: expected a number above 0, received ${describe(value)}`);
  }
  checkSeed(owner, seed);
  const initial = 1.2 + 0.2 * (new Draws(seed, 0x6d676c).next() - 0.5);
  const slope = (x: number, delayed: number) => (beta * delayed) / (1 + power(delayed, exponent)) - gamma * x;
  const x = integrate(initial, tau * stepsPerUnit, (discard + length) * stepsPerUnit, slope);
  return Float64Array.from({ length }, (_, index) => x[(discard + index) * stepsPerUnit]!);
}

/** x at steps 0..count of 1 / stepsPerUnit, with x = initial before. */
function integrate(
  initial: number,
  delay: number,
  count: number,
  slope: (x: number, delayed: number) => number,
): Float64Array {
  const h = 1 / stepsPerUnit;
  const x = new Float64Array(count + 1);
  const slopes = new Float64Array(count + 1);
  x[0] = initial;
  const at = (values: Float64Array, step: number, before: number) => (step < 0 ? before : values[step]!);
  for (let step = 0; step < count; step++) {
    const [from, to] = [at(x, step - delay, initial), at(x, step + 1 - delay, initial)];
    const [slopeFrom, slopeTo] = [at(slopes, step - delay, 0), at(slopes, step + 1 - delay, 0)];
    const between = (from + to) / 2 + (h / 8) * (slopeFrom - slopeTo);
    const now = x[step]!;
    const k1 = slope(now, from);
    slopes[step] = k1;
    const k2 = slope(now + (h / 2) * k1, between);
    const k3 = slope(now + (h / 2) * k2, between);
    const k4 = slope(now + h * k3, to);
    x[step + 1] = now + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return x;
}
