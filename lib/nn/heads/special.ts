/** Functions of distributions, in float64. */
import { logGamma } from '../../ops/loss/gamma';

/** Rational functions of Wichura 1988, algorithm AS 241: numerator and denominator, the highest power first. */
const central = [
  [
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
    1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
  ],
  [
    5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
    687.1870074920579083, 42.313330701600911252, 1,
  ],
] as const;
const near = [
  [
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
  ],
  [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
    0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1,
  ],
] as const;
const far = [
  [
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
    0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
  ],
  [
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1,
  ],
] as const;

const rational = ([above, below]: readonly [readonly number[], readonly number[]], x: number) => {
  const at = (coefficients: readonly number[]) => coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
  return at(above) / at(below);
};

/** The p-quantile of the standard normal distribution, within 1e-15 relative. Source: Wichura 1988 (AS 241). */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * rational(central, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  return Math.sign(q) * (r <= 5 ? rational(near, r - 1.6) : rational(far, r - 5));
}

/** The continued fraction of the incomplete beta function by the modified method of Lentz. */
function betaFraction(x: number, a: number, b: number): number {
  const floor = 1e-300;
  const kept = (value: number) => (Math.abs(value) < floor ? floor : value);
  let [c, d] = [1, 1 / kept(1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    for (const term of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 / kept(1 + term * d);
      c = kept(1 + term / c);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return fraction;
}

/** I_x(a, b), the regularized incomplete beta function, for `y` = 1 − x. Source: DLMF 8.17.22. */
export function incompleteBeta(x: number, a: number, b: number, y = 1 - x): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const factor = Math.exp(a * Math.log(x) + b * Math.log(y) + logGamma(a + b) - logGamma(a) - logGamma(b));
  // Where the fraction converges quickly; else by symmetry.
  if (x < (a + 1) / (a + b + 2)) return (factor * betaFraction(x, a, b)) / a;
  return 1 - (factor * betaFraction(y, b, a)) / b;
}

/** P(T > t) for t ≥ 0 of Student's t with ν degrees of freedom. */
const studentTTail = (t: number, nu: number) =>
  incompleteBeta(nu / (nu + t * t), nu / 2, 0.5, (t * t) / (nu + t * t)) / 2;

/** The p-quantile of Student's t with ν degrees of freedom: the root of its distribution function, by bisection. */
export function studentTQuantile(p: number, nu: number): number {
  if (p === 0.5) return 0;
  const tail = Math.min(p, 1 - p);
  let [low, high] = [0, 1];
  while (studentTTail(high, nu) > tail && high < Number.MAX_VALUE) [low, high] = [high, high * 2];
  for (let halved = 0; halved < 80 && high - low > 1e-15 * high; halved++) {
    const middle = (low + high) / 2;
    if (studentTTail(middle, nu) > tail) low = middle;
    else high = middle;
  }
  return Math.sign(p - 0.5) * ((low + high) / 2);
}

/** The smallest count k with P(X ≤ k) ≥ p of a negative binomial of mean μ and variance μ + αμ². */
export function negativeBinomialQuantile(p: number, mean: number, dispersion: number): number {
  const r = 1 / dispersion;
  const [success, failure] = [1 / (1 + dispersion * mean), (dispersion * mean) / (1 + dispersion * mean)];
  const reached = (k: number) => incompleteBeta(success, r, k + 1, failure) >= p;
  if (reached(0)) return 0;
  let [low, high] = [0, Math.max(1, Math.ceil(mean))];
  while (!reached(high) && high < 2 ** 52) [low, high] = [high, high * 2];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (reached(middle)) high = middle;
    else low = middle;
  }
  return high;
}
