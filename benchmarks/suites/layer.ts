/** One layer: a small one, whose activations count, and a large one, whose weights do. */
import type { Setting } from '../contest';
import { layerRows } from '../layerContest';
import type { LayerSize } from '../lstmLayer';
import type { Rows } from '../report';

export const sizes: readonly LayerSize[] = [
  { T: 50, B: 64, I: 128, H: 128 },
  { T: 25, B: 64, I: 512, H: 512 },
];
export const passes = ['infer', 'train'] as const;

export const layer = (setting: Setting): Rows => layerRows('layer', sizes, passes, setting);
