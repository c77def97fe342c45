/** Heads: layers that end a network with predictions. */
export type { Distribution } from './distribution';
export { GaussianHead, gaussianHead } from './gaussianHead';
export { Head, type HeadCallOptions, type HeadOptions } from './head';
export { NegativeBinomialHead, negativeBinomialHead, type CountHeadOptions } from './negativeBinomialHead';
export { PointHead, pointHead } from './pointHead';
export { QuantileHead, quantileHead } from './quantileHead';
export { StudentTHead, studentTHead } from './studentTHead';
