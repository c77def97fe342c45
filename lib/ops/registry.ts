/** Every op of a program, by name. Backends implement these and no others. */
import { relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward } from './elementwise/activations';
import { add, divide, multiply, subtract } from './elementwise/arithmetic';
import { bernoulli } from './elementwise/bernoulli';
import { constant } from './elementwise/constant';
import { dropout } from './elementwise/dropout';
import { exp, log } from './elementwise/exponential';
import { fill } from './elementwise/fill';
import {
  abs,
  absBackward,
  huber,
  huberBackward,
  pinball,
  pinballBackward,
  softplus,
  softplusBackward,
} from './elementwise/penalties';
import { embedding, embeddingBackward } from './embedding';
import { layerNorm, layerNormBackward } from './layerNorm';
import { broadcast, sum } from './layout/broadcast';
import { concat } from './layout/concat';
import { mean, meanBackward } from './layout/mean';
import { reshape } from './layout/reshape';
import { slice, sliceBackward } from './layout/slice';
import { transpose } from './layout/transpose';
import { linear, linearBackwardBias, linearBackwardInput, linearBackwardWeight } from './linear';
import { accuracy } from './loss/accuracy';
import { crossEntropy, crossEntropyBackward } from './loss/crossEntropy';
import { meanSquaredError, meanSquaredErrorBackward } from './loss/meanSquaredError';
import { weightedMean, weightedMeanBackward } from './loss/weightedMean';
import { matmul } from './matmul';
import type { Op } from './op';
import { lastSteps, lastStepsBackward } from './pooling/lastSteps';
import { maskedSoftmax, maskedSoftmaxBackward } from './pooling/maskedSoftmax';
import { maskSteps } from './pooling/maskSteps';
import { maxPooling, maxPoolingBackward } from './pooling/maxPooling';
import { meanPooling, meanPoolingBackward } from './pooling/meanPooling';
import { weightedPooling, weightedPoolingBackward } from './pooling/weightedPooling';
import { attentionLstm } from './recurrent/attentionLstm';
import { attentionLstmBackward } from './recurrent/attentionLstmBackward';
import { attentionLstmStep } from './recurrent/attentionLstmStep';
import { gru, gruBackward, gruBackwardWeight } from './recurrent/gru';
import { gruStep } from './recurrent/gruStep';
import { lstm } from './recurrent/lstm';
import { lstmBackward, lstmBackwardNorm, lstmBackwardPeephole, lstmBackwardWeight } from './recurrent/lstmBackward';
import { lstmStep } from './recurrent/lstmStep';
import { rnn, rnnBackward, rnnBackwardWeight } from './recurrent/rnn';
import { rnnStep } from './recurrent/rnnStep';
import { slstm } from './recurrent/slstm';
import { slstmBackward, slstmBackwardWeight } from './recurrent/slstmBackward';
import { slstmStep } from './recurrent/slstmStep';
import { softmax, softmaxBackward } from './softmax';
import { adagrad } from './update/adagrad';
import { adam } from './update/adam';
import { clipScale } from './update/clipScale';
import { gradientMean } from './update/gradientMean';
import { gradientNorm } from './update/gradientNorm';
import { gradientSum } from './update/gradientSum';
import { rmsprop } from './update/rmsprop';
import { sgd } from './update/sgd';

/** Refuses, when compiled, an op under another name than its own, or without one of its rules. */
const byName = <const R extends { readonly [N in keyof R]: Op & { readonly name: N } }>(ops: R): R => ops;

export const registry = byName({
  add,
  subtract,
  multiply,
  divide,
  sigmoid,
  sigmoid_backward: sigmoidBackward,
  tanh,
  tanh_backward: tanhBackward,
  relu,
  relu_backward: reluBackward,
  exp,
  log,
  softplus,
  softplus_backward: softplusBackward,
  abs,
  abs_backward: absBackward,
  huber,
  huber_backward: huberBackward,
  pinball,
  pinball_backward: pinballBackward,
  fill,
  constant,
  dropout,
  bernoulli,

  broadcast,
  reshape,
  transpose,
  concat,
  slice,
  slice_backward: sliceBackward,
  sum,
  mean,
  mean_backward: meanBackward,

  softmax,
  softmax_backward: softmaxBackward,
  cross_entropy: crossEntropy,
  cross_entropy_backward: crossEntropyBackward,
  accuracy,
  mean_squared_error: meanSquaredError,
  mean_squared_error_backward: meanSquaredErrorBackward,
  weighted_mean: weightedMean,
  weighted_mean_backward: weightedMeanBackward,

  linear,
  linear_backward_input: linearBackwardInput,
  linear_backward_weight: linearBackwardWeight,
  linear_backward_bias: linearBackwardBias,
  matmul,
  embedding,
  embedding_backward: embeddingBackward,

  layer_norm: layerNorm,
  layer_norm_backward: layerNormBackward,

  mean_pooling: meanPooling,
  mean_pooling_backward: meanPoolingBackward,
  max_pooling: maxPooling,
  max_pooling_backward: maxPoolingBackward,
  weighted_pooling: weightedPooling,
  weighted_pooling_backward: weightedPoolingBackward,
  masked_softmax: maskedSoftmax,
  masked_softmax_backward: maskedSoftmaxBackward,
  mask_steps: maskSteps,
  last_steps: lastSteps,
  last_steps_backward: lastStepsBackward,

  lstm,
  lstm_backward: lstmBackward,
  lstm_backward_weight: lstmBackwardWeight,
  lstm_backward_peephole: lstmBackwardPeephole,
  lstm_backward_norm: lstmBackwardNorm,
  lstm_step: lstmStep,
  attention_lstm: attentionLstm,
  attention_lstm_backward: attentionLstmBackward,
  attention_lstm_step: attentionLstmStep,
  gru,
  gru_backward: gruBackward,
  gru_backward_weight: gruBackwardWeight,
  gru_step: gruStep,
  rnn,
  rnn_backward: rnnBackward,
  rnn_backward_weight: rnnBackwardWeight,
  rnn_step: rnnStep,
  slstm,
  slstm_backward: slstmBackward,
  slstm_backward_weight: slstmBackwardWeight,
  slstm_step: slstmStep,

  gradient_norm: gradientNorm,
  clip_scale: clipScale,
  sgd,
  adagrad,
  rmsprop,
  adam,
  gradient_sum: gradientSum,
  gradient_mean: gradientMean,
});

export type OpName = keyof typeof registry;

/** An op whose slots are not known: what interpreters and printers handle. Every op is one. */
export type AnyOp = Op;

/** The registry for those who find an op by name. */
export const ops: Readonly<Record<OpName, AnyOp>> = registry;
