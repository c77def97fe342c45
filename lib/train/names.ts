/** Names of a step's inputs and outputs beside the batch's own. */
export const names = {
  targets: 'targets',
  weights: 'weights',
  learningRate: 'learning_rate',
  weightDecay: 'weight_decay',
  maxNorm: 'max_norm',
  clipValue: 'clip_value',
  loss: 'loss',
  totalWeight: 'total_weight',
  gradientNorm: 'gradient_norm',
} as const;
