/** One layer beside the FMA peak: a small one, whose activations count, and a large one, whose weights do. */
import { measurePeak } from '../../lib/backend/native/native';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import type { Setting } from '../contest';
import { alternate } from '../measure';
import { rowBesidePeak, type Pass, type Row } from '../report';

export const sizes: readonly LayerSize[] = [
  { T: 50, B: 64, I: 128, H: 128 },
  { T: 25, B: 64, I: 512, H: 512 },
];
export const passes: readonly Pass[] = ['infer', 'train'];

export async function layer({ rounds, wanted }: Setting): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of sizes.filter((size) => wanted(nameOf(size)))) {
    for (const pass of passes) rows.push(await measureRow(size, pass, rounds));
  }
  return rows;
}

async function measureRow(size: LayerSize, pass: Pass, rounds: number): Promise<Row> {
  const lstmLayer = new LstmLayer(size, pass);
  const samples = await alternate({ peak: measurePeak, seconds: () => lstmLayer.time() }, rounds);
  lstmLayer.dispose();
  return rowBesidePeak({ suite: 'layer', case: nameOf(size), pass }, operationsOf(size, pass), samples);
}
