/**
 * Goes on from a prompt, with nothing but a model file that a training wrote.
 *
 *     npm run example -- generate.ts --prompt "Call me" --length 400 --temperature 0.7 --seed 7
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { generate, load } from 'lstm-native';
import { script } from './support/script';

const usage = 'generate.ts [--model FILE] [--prompt TEXT] [--length 400] [--temperature 0.8] [--seed 0]';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'runs/moby-dick/model.safetensors' },
      prompt: { type: 'string', default: 'Call me' },
      length: { type: 'string', default: '400' },
      temperature: { type: 'string', default: '0.8' },
      seed: { type: 'string', default: '0' },
    },
  });
  if (!existsSync(values.model)) {
    throw new Error(`${values.model}: no such file; train a model first with "npm start", or name one with --model`);
  }
  const model = await load(values.model);
  const continued = await generate(model, {
    prompt: values.prompt,
    length: Number(values.length),
    temperature: Number(values.temperature),
    seed: Number(values.seed),
  });
  console.log(continued);
}

script(usage, main);
