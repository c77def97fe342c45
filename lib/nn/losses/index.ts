/** The losses, and metrics beside them. */
export { binaryCrossEntropy, type BinaryCrossEntropyOptions } from './binaryCrossEntropy';
export { accuracy, f1, precision, recall, type AccuracyOptions, type ClassMetricOptions } from './classes';
export { crossEntropy, type CrossEntropyOptions } from './crossEntropy';
export { gaussianLikelihood, negativeBinomialLikelihood, studentTLikelihood } from './likelihoods';
export { huber, meanAbsoluteError, meanSquaredError, pinball, rootMeanSquaredError } from './regression';
