/** The losses, and metrics beside them. */
export { crossEntropy } from './crossEntropy';
export { huber, meanAbsoluteError, meanSquaredError, pinball, rootMeanSquaredError } from './regression';
