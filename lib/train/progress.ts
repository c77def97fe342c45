import { SingleBar } from 'cli-progress';
import type { Figures } from './figures';
import type { EpochEvent, TrainingEvent, WarningEvent } from './run';

export interface Progress {
  show(event: TrainingEvent): void;
  end(): void;
}

/** Lines without a terminal come at most this often. */
const secondsBetweenLines = 10;

/** A bar on a terminal; elsewhere a plain line now and then. Both on standard error, with the loss and the `shown` figures. */
export function showProgress(
  totalSteps: number | null,
  shown: readonly string[],
  output: NodeJS.WriteStream = process.stderr,
): Progress {
  const format = (figures: Figures) => formatFigures(figures, shown);
  return output.isTTY && totalSteps !== null ? bar(totalSteps, format, output) : lines(totalSteps, format, output);
}

type Format = (figures: Figures) => string;

function bar(totalSteps: number, format: Format, output: NodeJS.WriteStream): Progress {
  const single = new SingleBar({
    format: '{bar} {percentage}% | step {value}/{total} | {figures} | {eta_formatted} left',
    stream: output,
    hideCursor: true,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  return {
    show(event) {
      // At the end of an epoch the line is left clear for what its listeners print.
      if (event.type === 'epoch') return single.stop();
      if (event.type === 'warning') {
        single.stop();
        output.write(warning(event));
      }
      if (event.type !== 'step') return;
      if (!single.isActive) single.start(totalSteps, event.step, { figures: '' });
      single.update(event.step, { figures: format(event.figures) });
    },
    end: () => single.stop(),
  };
}

function lines(totalSteps: number | null, format: Format, output: NodeJS.WriteStream): Progress {
  let last = -Infinity;
  const show = (event: TrainingEvent) => {
    if (event.type === 'warning') output.write(warning(event));
    if (event.type !== 'step' && event.type !== 'epoch') return;
    if (event.type === 'step' && event.seconds - last < secondsBetweenLines) return;
    last = event.seconds;
    const position = totalSteps === null ? `step ${event.step}` : `step ${event.step}/${totalSteps}`;
    const figures =
      event.type === 'step' ? format(event.figures) : `epoch ${event.epoch} done, ${formatEpoch(event, format)}`;
    output.write(`${event.seconds.toFixed(0).padStart(4)} s  ${position}  ${figures}\n`);
  };
  return { show, end: () => {} };
}

const warning = ({ message }: WarningEvent) => `warning: ${message}\n`;

function formatFigures({ loss, ...figures }: Figures, shown: readonly string[]): string {
  const others = shown.map((name) => {
    const value = figures[name] ?? NaN;
    return name === 'bitsPerCharacter' ? `${value.toFixed(3)} bits per character` : `${name} ${value.toPrecision(4)}`;
  });
  return [`loss ${loss.toFixed(4)}`, ...others].join(', ');
}

const formatEpoch = ({ train, validation }: EpochEvent, format: Format) =>
  `training ${format(train)}${validation ? `; validation ${format(validation)}` : ''}`;
