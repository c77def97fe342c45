/** Single LSTM layers beside the peers. */
import { contest, type Contest, type Setting } from './contest';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from './lstmLayer';
import type { Rows } from './report';
import type { Traffic } from './roofline';

export async function* layerRows(
  suite: string,
  sizes: readonly LayerSize[],
  passes: readonly ('infer' | 'train')[],
  setting: Setting,
): Rows {
  for (const size of sizes.filter((size) => setting.wanted(nameOf(size)))) {
    for (const pass of passes) yield await contest(layerCase(suite, size, pass), setting);
  }
}

/** Each step reads the recurrent weights; those of the input can be read once for all steps. */
function trafficOf({ T, H }: LayerSize, pass: 'infer' | 'train'): Traffic {
  return { bytes: 4 * 4 * H * H, times: (pass === 'train' ? 2 : 1) * T };
}

function layerCase(suite: string, size: LayerSize, pass: 'infer' | 'train'): Contest {
  const layer = new LstmLayer(size, pass);
  return {
    suite,
    case: nameOf(size),
    pass,
    operations: operationsOf(size, pass),
    traffic: trafficOf(size, pass),
    asked: { kind: 'layer', pass, shape: size },
    inputs: async () => ({ dy: new Float32Array(size.T * size.B * size.H), ...(await layer.inputs()) }),
    outputs: () => layer.outputs(),
    time: layer.time,
    dispose: () => layer.dispose(),
  };
}
