/** Codes are stable across versions; messages are not. */
export type ErrorCode =
  'ERR_SHAPE' | 'ERR_DATA' | 'ERR_OPTION' | 'ERR_STATE' | 'ERR_CHECKPOINT' | 'ERR_BACKEND' | 'ERR_NON_FINITE';

/** The base of every error that this package throws on purpose. */
export abstract class LstmNativeError extends Error {
  abstract readonly code: ErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A tensor has the wrong rank, size or dtype, or sizes do not fit together. */
export class ShapeError extends LstmNativeError {
  readonly code = 'ERR_SHAPE';
}

/** The content of the data is unusable: a token out of range, an empty batch, a NaN, a detached buffer. */
export class DataError extends LstmNativeError {
  readonly code = 'ERR_DATA';
}

/** An option is unknown, out of range, or contradicts another. */
export class OptionError extends LstmNativeError {
  readonly code = 'ERR_OPTION';
}

/** A call came at the wrong time: before sizes are known, a second `fit` during training, in a run folder that is in use, or on a disposed object. */
export class StateError extends LstmNativeError {
  readonly code = 'ERR_STATE';
}

/** A file could not be read as a model, or could not be written. */
export class CheckpointError extends LstmNativeError {
  readonly code = 'ERR_CHECKPOINT';
}

/** The native addon is missing, incompatible, or reported a fault. */
export class BackendError extends LstmNativeError {
  readonly code = 'ERR_BACKEND';
}

/** A loss or gradient norm was not finite. Weights, moments and carried state are as they were before the step. */
export class NonFiniteError extends LstmNativeError {
  readonly code = 'ERR_NON_FINITE';

  constructor(
    message: string,
    /** The step, counted from 1, that did not take place. */
    readonly step: number,
  ) {
    super(message);
  }
}
