/** Layers from 16 to 256 units: what most people train, and where overheads show. */
import type { Setting } from '../contest';
import { layerRows } from '../layerContest';
import type { LayerSize } from '../lstmLayer';
import type { Rows } from '../report';

const sizes: readonly LayerSize[] = [16, 32, 64, 128, 256].flatMap((H) =>
  [1, 8, 32, 64].flatMap((B) => [10, 50, 200].map((T) => ({ T, B, I: H, H }))),
);

export const small = (setting: Setting): Rows => layerRows('small', sizes, ['infer', 'train'], setting);
