/**
 * The sizes of `layer` through the public API: `model.predict` of arrays from JavaScript. They are checked, copied in,
 * transposed from [B,T,I] to [T,B,I] and, as the result, back and out again. What that costs is the difference.
 */
import { lstm, sequential } from '../../lib';
import { measurePeak } from '../../lib/backend/native/native';
import { nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import type { Setting } from '../contest';
import { alternate, secondsOf } from '../measure';
import { rowBesidePeak, type Row, type Rows } from '../report';
import { numbers } from '../trainStep';
import { sizes } from './layer';

export async function* predict({ rounds, wanted }: Setting): Rows {
  for (const size of sizes.filter((size) => wanted(nameOf(size)))) yield await measureRow(size, rounds);
}

async function measureRow(size: LayerSize, rounds: number): Promise<Row> {
  const { T, B, I, H } = size;
  const model = sequential([lstm(H)]);
  const inputs = { data: numbers(B * T * I, 1), shape: [B, T, I] };
  const seconds = () => secondsOf(() => model.predict({ inputs }));
  const samples = await alternate({ peak: measurePeak, seconds }, rounds);
  model.dispose();
  return rowBesidePeak({ suite: 'predict', case: nameOf(size), pass: 'infer' }, operationsOf(size, 'infer'), samples);
}
