/** Heads: layers that end a network with predictions. */
export type { Distribution } from './distribution';
export { Head, type HeadCallOptions, type HeadOptions } from './head';
export { PointHead, pointHead } from './pointHead';
export { QuantileHead, quantileHead } from './quantileHead';
