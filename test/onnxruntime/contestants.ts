import { gru, lstm, rnn, type GruOptions, type LstmOptions, type RnnOptions } from '../../lib';
import { lstmGates } from '../../lib/ops/recurrent/lstmCell';
import { peepholeGates } from '../../lib/ops/recurrent/lstmVariant';
import type { CellParameters, FloatArray } from '../support/onnxRecurrent';
import type { Contestant, OnnxActivation } from './cases';

/** α and β for those that take them: HardSigmoid is clip(α·z + β, 0, 1), Affine α·z + β. */
const onnxActivations = {
  sigmoid: { name: 'Sigmoid' },
  tanh: { name: 'Tanh' },
  relu: { name: 'Relu' },
  hardSigmoid: { name: 'HardSigmoid', alpha: 0.2, beta: 0.5 },
  identity: { name: 'Affine', alpha: 1, beta: 0 },
} as const satisfies Record<string, OnnxActivation>;

function lstmContestant(options: LstmOptions = {}): Contestant {
  const { gateActivation = 'sigmoid', cellActivation = 'tanh', outputActivation = 'tanh' } = options;
  const removed = (['input', 'forget', 'output'] as const).filter((gate) => options[`${gate}Gate`] === false);
  return {
    cell: 'LSTM',
    layer: (hiddenSize, others) => lstm(hiddenSize, { ...options, ...others }),
    activations: [gateActivation, cellActivation, outputActivation].map((name) => onnxActivations[name]),
    attributes: { ...(options.coupledGates && { input_forget: 1 }), ...clipOf(options) },
    peepholes: options.peepholes,
    standIn: (parameters) => removed.reduce(openGate, parameters),
  };
}

const clipOf = ({ gateClip }: { readonly gateClip?: number }): Contestant['attributes'] =>
  gateClip === undefined ? {} : { clip: { float: gateClip } };

const gruContestant = (options: GruOptions & { readonly resetAfter: boolean }): Contestant => ({
  cell: 'GRU',
  layer: (hiddenSize, others) => gru(hiddenSize, { ...options, ...others }),
  attributes: { linear_before_reset: Number(options.resetAfter), ...clipOf(options) },
});

const rnnContestant = (options: RnnOptions & { readonly nonlinearity: 'tanh' | 'relu' }): Contestant => ({
  cell: 'RNN',
  layer: (hiddenSize, others) => rnn(hiddenSize, { ...options, ...others }),
  attributes: clipOf(options),
  activations: [onnxActivations[options.nonlinearity]],
});

/** ONNX has no LSTM without a gate. One that is always open does the same. */
function openGate(parameters: CellParameters, gate: 'input' | 'forget' | 'output'): CellParameters {
  const block = lstmGates[gate];
  const peephole = peepholeGates.findIndex((peephole) => peephole.gate === block);
  const H = parameters.weight_hh.shape[1]!;
  const biases = { shape: [4 * H], data: new Float32Array(4 * H) };
  const filled = ({ shape, data }: FloatArray, index: number, value: number): FloatArray => {
    const size = (data.length / shape[0]!) * H;
    return { shape, data: data.slice().fill(value, index * size, (index + 1) * size) };
  };
  const { weight_ih, weight_hh, bias_ih = biases, bias_hh = biases, weight_peephole } = parameters;
  return {
    weight_ih: filled(weight_ih, block, 0),
    weight_hh: filled(weight_hh, block, 0),
    bias_ih: filled(bias_ih, block, 40),
    bias_hh: filled(bias_hh, block, 0),
    ...(weight_peephole && { weight_peephole: filled(weight_peephole, peephole, 0) }),
  };
}

/** By name. */
export const contestants: Readonly<Record<string, Contestant>> = {
  lstm: lstmContestant(),
  'lstm, peepholes': lstmContestant({ peepholes: true }),
  'lstm, coupled gates': lstmContestant({ coupledGates: true }),
  'lstm, coupled gates, peepholes': lstmContestant({ coupledGates: true, peepholes: true }),
  'lstm, no input gate': lstmContestant({ inputGate: false, peepholes: true }),
  'lstm, no forget gate': lstmContestant({ forgetGate: false, peepholes: true }),
  'lstm, no output gate': lstmContestant({ outputGate: false, peepholes: true }),
  'lstm, no input activation': lstmContestant({ cellActivation: 'identity', peepholes: true }),
  'lstm, no output activation': lstmContestant({ outputActivation: 'identity', peepholes: true }),
  'lstm, hard sigmoid gates': lstmContestant({ gateActivation: 'hardSigmoid' }),
  'lstm, tanh gates, sigmoid cell': lstmContestant({
    gateActivation: 'tanh',
    cellActivation: 'sigmoid',
    outputActivation: 'sigmoid',
  }),
  'lstm, relu cell and output': lstmContestant({
    cellActivation: 'relu',
    outputActivation: 'relu',
    peepholes: true,
  }),
  'lstm, relu gates, hard sigmoid cell': lstmContestant({
    gateActivation: 'relu',
    cellActivation: 'hardSigmoid',
    outputActivation: 'hardSigmoid',
  }),
  'lstm, hard sigmoid gates coupled, identity cell': lstmContestant({
    gateActivation: 'hardSigmoid',
    cellActivation: 'identity',
    outputActivation: 'identity',
    coupledGates: true,
    peepholes: true,
  }),
  'lstm, gates clipped': lstmContestant({ gateClip: 0.7 }),
  'lstm, gates clipped, peepholes': lstmContestant({ gateClip: 0.7, peepholes: true }),
  'lstm, gates clipped, coupled, peepholes': lstmContestant({ gateClip: 1.1, coupledGates: true, peepholes: true }),
  'lstm, gates clipped, relu cell and output': lstmContestant({
    gateClip: 0.7,
    cellActivation: 'relu',
    outputActivation: 'relu',
    peepholes: true,
  }),
  'gru, reset after': gruContestant({ resetAfter: true }),
  'gru, reset before': gruContestant({ resetAfter: false }),
  'gru, reset after, clipped': gruContestant({ resetAfter: true, gateClip: 0.7 }),
  'gru, reset before, clipped': gruContestant({ resetAfter: false, gateClip: 0.7 }),
  'rnn, tanh': rnnContestant({ nonlinearity: 'tanh' }),
  'rnn, relu': rnnContestant({ nonlinearity: 'relu' }),
  'rnn, tanh, clipped': rnnContestant({ nonlinearity: 'tanh', gateClip: 0.7 }),
  'rnn, relu, clipped': rnnContestant({ nonlinearity: 'relu', gateClip: 0.7 }),
};
