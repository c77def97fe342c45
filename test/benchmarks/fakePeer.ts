/** An engine that is none: the units of its case say what it does. */
import { serve } from '../../benchmarks/peers/child';
import { outputsOf } from '../../benchmarks/peers/protocol';
import { elementCount } from '../../lib/ops/shape';

void serve('1.2.3', async (given) => {
  const { H } = given.shape;
  const ones = outputsOf(given).map(([name, shape]) => [name, new Float32Array(elementCount(shape)).fill(1)] as const);
  if (H === 1) throw new Error('has no layers of one unit');
  if (H === 2) await new Promise((resolve) => setTimeout(resolve, 60_000));
  if (H === 3) process.exit(1);
  const run = async () => {
    if (H === 4) {
      process.stderr.write('the engine is out of order\n');
      process.exit(1);
    }
  };
  return { outputs: Object.fromEntries(ones), run, close: () => {} };
});
