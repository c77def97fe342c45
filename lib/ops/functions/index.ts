/**
 * Arithmetic on the variables of a program, for custom losses, layers and metrics.
 *
 * Each function appends equations; nothing is computed until the program runs. Operands of two-operand functions are
 * variables or numbers, at least one of them a variable, and broadcast by NumPy's rule: shapes are aligned at their
 * last axes, and an axis of size 1 or a missing one is repeated. Axes may be negative, counting from the last.
 */
export { concat, reshape, slice, transpose } from './layout';
export { matmul, type MatmulOptions } from './matmul';
export { add, divide, multiply, negate, square, subtract, type Operand } from './pairwise';
export { abs, huberPenalty, pinballPenalty, softplus } from './penalties';
export { lastSteps, maskedSoftmax, maxPool, meanPool, weightedPool } from './pool';
export { mean, sum, weightedMean, type ReductionOptions } from './reduce';
export { exp, log, relu, sigmoid, softmax, tanh } from './single';
