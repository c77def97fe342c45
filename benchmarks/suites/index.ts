/** The suites by name. */
import type { Setting } from '../contest';
import type { Rows } from '../report';
import { deepbench } from './deepbench';
import { endToEnd } from './endToEnd';
import { eventLoop } from './eventLoop';
import { layer } from './layer';
import { linearity } from './linearity';
import { memory } from './memory';
import { predict } from './predict';
import { serving } from './serving';
import { small } from './small';
import { threads } from './threads';
import { variants } from './variants';

export interface Suite {
  /** Measures the cases whose name is wanted. */
  readonly run: (setting: Setting) => Rows;
  /** Whether it measures other engines too. */
  readonly peers: boolean;
  readonly about: string;
}

export const suites: Readonly<Record<string, Suite>> = {
  layer: { run: layer, peers: true, about: 'a layer of 128 and one of 512 units, infer and train' },
  small: { run: small, peers: true, about: '16 to 256 units, B 1 to 64, T 10 to 200, infer and train: 120 cases' },
  deepbench: { run: deepbench, peers: true, about: "Baidu's shapes, 256 to 2,048 units, infer and train: 51 cases" },
  serving: { run: serving, peers: true, about: 'one step of one stream through the public API, and its garbage' },
  'end-to-end': { run: endToEnd, peers: true, about: 'a training step of a character model, and what is not its LSTM' },
  variants: { run: variants, peers: false, about: 'every cell and option beside the plain LSTM' },
  predict: { run: predict, peers: false, about: 'the layers of `layer` through model.predict' },
  threads: { run: threads, peers: false, about: '1, 2, 4 and 8 threads' },
  linearity: { run: linearity, peers: false, about: 'training steps at T 16 to 4,096, and the line through them' },
  'event-loop': { run: eventLoop, peers: false, about: 'how late the event loop is during model.fit' },
  memory: { run: memory, peers: false, about: 'resident memory of trainings beside arena, parameters and optimizer' },
};
