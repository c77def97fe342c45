/** The LSTMs of Baidu's DeepBench (`code/kernels/rnn_problems.h`), and inference of them with few rows. */
import type { Setting } from '../contest';
import { layerRows } from '../layerContest';
import type { LayerSize } from '../lstmLayer';
import type { Rows } from '../report';

const of = (H: number, batches: readonly number[], T: number): LayerSize[] => batches.map((B) => ({ T, B, I: H, H }));

const sizes = [
  ...[512, 1024, 2048].flatMap((H) => of(H, [16, 32, 64, 128], 25)),
  ...of(1536, [8, 16, 32], 50),
  ...of(256, [16, 32, 64], 150),
];
const fewRows = [
  ...[512, 1024, 2048].flatMap((H) => of(H, [1, 2, 4], 25)),
  ...of(1536, [1, 2, 4], 50),
  ...of(256, [1, 2, 4], 150),
];

export async function* deepbench(setting: Setting): Rows {
  yield* layerRows('deepbench', sizes, ['infer', 'train'], setting);
  yield* layerRows('deepbench', fewRows, ['infer'], setting);
}
