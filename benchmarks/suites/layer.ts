/** One layer beside the FMA peak: a small one, whose activations count, and a large one, whose weights do. */
import { measurePeak } from '../../lib/backend/native/native';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import { alternate, median, medianRatio } from '../measure';
import type { Pass, Row } from '../report';

export const sizes: readonly LayerSize[] = [
  { T: 50, B: 64, I: 128, H: 128 },
  { T: 25, B: 64, I: 512, H: 512 },
];
export const passes: readonly Pass[] = ['infer', 'train'];

export async function layer(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of sizes) {
    for (const pass of passes) rows.push(await measureRow(size, pass, rounds));
  }
  return rows;
}

async function measureRow(size: LayerSize, pass: Pass, rounds: number): Promise<Row> {
  const lstmLayer = new LstmLayer(size, pass);
  const operations = operationsOf(size, pass);
  const { peak, seconds } = await alternate({ peak: measurePeak, seconds: lstmLayer.time }, rounds);
  lstmLayer.dispose();
  const speeds = seconds.map((duration) => operations / duration);
  return {
    suite: 'layer',
    case: nameOf(size),
    pass,
    ms: median(seconds) * 1e3,
    gflops: median(speeds) / 1e9,
    rooflinePercent: 100 * medianRatio(speeds, peak),
    ratio: {},
  };
}
