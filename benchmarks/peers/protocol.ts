/**
 * How a benchmark talks with a peer, an engine in a process of its own: one line of JSON asks, one answers.
 *
 *     { "open": Case }      ->  { "opened": true }                  the case is ready, its outputs are in `outputs`
 *     { "run": 12 }         ->  { "seconds": 0.0031 }               the mean of 12 runs
 *     { "close": true }     ->  { "closed": true }
 *
 * The first line comes unasked: { "version": "2.6.3" }. Any answer may be { "error": "..." } instead. Arrays are float32,
 * row-major, one after the other in the order of `tensors`, in the files `inputs` and `outputs`.
 */
export interface LayerShape {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
}

export type PeerPass = 'infer' | 'train' | 'step';

/**
 * `infer`: y of all steps. `train`: y, and the gradients of x and every parameter, for the gradient dy of the loss; weights
 * may be packed once a run. `step`: one step that begins at the state in which the last one ended, h and c.
 */
export interface LayerCase {
  readonly kind: 'layer';
  readonly pass: PeerPass;
  readonly shape: LayerShape;
}

/** Embedding, LSTM, linear, cross-entropy, Adam: a run is a training step. */
export interface LanguageModelCase {
  readonly kind: 'language model';
  readonly shape: LayerShape & { readonly V: number };
}

export type PeerCase = (LayerCase | LanguageModelCase) & {
  readonly threads: number;
  readonly inputs: string;
  readonly outputs: string;
};

export type Named = readonly (readonly [name: string, shape: readonly number[]])[];

const parameters = ({ I, H }: LayerShape): Named => [
  ['weight_ih', [4 * H, I]],
  ['weight_hh', [4 * H, H]],
  ['bias_ih', [4 * H]],
  ['bias_hh', [4 * H]],
];

/** The arrays that a case begins with. Tokens and targets of a language model are whole numbers [B, T]. */
export function inputsOf(given: LayerCase | LanguageModelCase): Named {
  const { T, B, I, H } = given.shape;
  if (given.kind === 'layer') return [['x', [T, B, I]], ...parameters(given.shape), ['dy', [T, B, H]]];
  const { V } = given.shape;
  return [
    ['tokens', [B, T]],
    ['targets', [B, T]],
    ['embedding', [V, I]],
    ...parameters(given.shape),
    ['linear_weight', [V, H]],
    ['linear_bias', [V]],
  ];
}

/** The arrays by which a peer's work is checked. The gradients of both biases are one. */
export function outputsOf(given: LayerCase | LanguageModelCase): Named {
  if (given.kind === 'language model') return [['loss', [1]]];
  const { T, B, I, H } = given.shape;
  const y: Named = [['y', [T, B, H]]];
  if (given.pass !== 'train') return y;
  return [...y, ['dx', [T, B, I]], ['dweight_ih', [4 * H, I]], ['dweight_hh', [4 * H, H]], ['dbias', [4 * H]]];
}
