import { SingleBar } from 'cli-progress';
import type { Figures } from './figures';
import type { EpochEvent, StepEvent, TrainingEvent } from './run';

export interface Progress {
  show(event: TrainingEvent): void;
  end(): void;
}

/** Lines without a terminal come at most this often. */
const secondsBetweenLines = 10;

/** A bar on a terminal; elsewhere a plain line now and then. Both on standard error. */
export function showProgress(totalSteps: number | null, output: NodeJS.WriteStream = process.stderr): Progress {
  return output.isTTY && totalSteps !== null ? bar(totalSteps, output) : lines(totalSteps, output);
}

function bar(totalSteps: number, output: NodeJS.WriteStream): Progress {
  const single = new SingleBar({
    format: '{bar} {percentage}% | step {value}/{total} | {figures} | {eta_formatted} left',
    stream: output,
    hideCursor: true,
    etaBuffer: 50,
  });
  single.start(totalSteps, 0, { figures: '' });
  return {
    show(event) {
      if (event.type === 'step') single.update(event.step, { figures: formatFigures(event.figures) });
    },
    end: () => single.stop(),
  };
}

function lines(totalSteps: number | null, output: NodeJS.WriteStream): Progress {
  let last = -Infinity;
  const show = (event: StepEvent | EpochEvent) => {
    if (event.type === 'step' && event.seconds - last < secondsBetweenLines) return;
    last = event.seconds;
    const position = totalSteps === null ? `step ${event.step}` : `step ${event.step}/${totalSteps}`;
    const figures =
      event.type === 'step' ? formatFigures(event.figures) : `epoch ${event.epoch} done, ${formatEpoch(event)}`;
    output.write(`${event.seconds.toFixed(0).padStart(4)} s  ${position}  ${figures}\n`);
  };
  return { show, end: () => {} };
}

function formatFigures({ loss, bitsPerCharacter }: Figures): string {
  const bits = bitsPerCharacter === undefined ? '' : `, ${bitsPerCharacter.toFixed(3)} bits per character`;
  return `loss ${loss.toFixed(4)}${bits}`;
}

const formatEpoch = ({ train, validation }: EpochEvent) =>
  `training ${formatFigures(train)}${validation ? `; validation ${formatFigures(validation)}` : ''}`;
