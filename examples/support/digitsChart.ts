import type { EChartsOption, SeriesOption } from 'echarts';
import type { EpochEvent } from 'lstm-native';
import { size, type Digit } from './digits';
import { palette } from './chart';

const classes = Array.from({ length: 10 }, (_, digit) => String(digit));
const columns = 14;
const [cellWidth, cellHeight] = [size + 8, size + 12] as const;

/** The confusion matrix, accuracy by epoch, and the digits that were read wrong. */
export function digitsChart(
  test: readonly Digit[],
  read: readonly number[],
  curve: readonly EpochEvent[],
): EChartsOption {
  const errors = test.map((digit, index) => ({ ...digit, read: read[index]! })).filter((one) => one.read !== one.digit);
  const shown = errors.slice(0, 2 * columns);
  const accuracy = `${((100 * (test.length - errors.length)) / test.length).toFixed(1)} %`;
  return {
    title: [
      { text: `Handwritten digits, read row by row: ${accuracy} of ${test.length} held-out images`, left: 20, top: 10 },
      { text: 'Digit (down) and what it was read as', left: 60, top: 48, textStyle: heading },
      { text: 'Accuracy by epoch', left: 560, top: 48, textStyle: heading },
      {
        text: `Read wrong: ${shown.length} of ${errors.length} (digit → read as)`,
        left: 60,
        top: 508,
        textStyle: heading,
      },
    ],
    legend: {
      data: ['training (moved at random, with dropout)', 'validation'],
      left: 560,
      top: 440,
      orient: 'vertical',
    },
    grid: [
      { left: 60, top: 80, width: 400, height: 390 },
      { left: 600, top: 80, width: 370, height: 320 },
      { left: 40, top: 555, width: 930, height: 180 },
    ],
    xAxis: [
      { type: 'category', data: classes, gridIndex: 0, splitArea: { show: false } },
      {
        type: 'value',
        gridIndex: 1,
        name: 'epoch',
        nameLocation: 'middle',
        nameGap: 26,
        min: 1,
        max: curve.length,
        minInterval: 1,
      },
      { type: 'value', gridIndex: 2, show: false, min: 0, max: columns * cellWidth },
    ],
    yAxis: [
      { type: 'category', data: classes, gridIndex: 0, inverse: true },
      { type: 'value', gridIndex: 1, scale: true, max: 1, axisLabel: { formatter: inPercent } },
      { type: 'value', gridIndex: 2, show: false, inverse: true, min: 0, max: 2 * cellHeight },
    ],
    visualMap: {
      show: false,
      seriesIndex: 0,
      dimension: 3,
      min: 0,
      max: 1,
      inRange: { color: ['#ffffff', '#cfe3f1', palette[0]] },
    },
    series: [
      confusion(test, read),
      accuracyOf('training (moved at random, with dropout)', curve, ({ train }) => train.accuracy!),
      accuracyOf('validation', curve, ({ validation }) => validation!.accuracy!),
      pixelsOf(shown),
    ],
    graphic: shown.map(({ digit, read }, index) => ({
      type: 'text',
      left: 40 + ((index % columns) * cellWidth + size / 2 - 9) * (930 / (columns * cellWidth)),
      top: 537 + Math.floor(index / columns) * 90,
      style: { text: `${digit} → ${read}`, font: '12px sans-serif', fill: palette[1] },
    })),
  };
}

const heading = { fontSize: 13, fontWeight: 'normal' } as const;
const inPercent = (value: number): string => `${(100 * value).toFixed(0)} %`;

/** Counts; the colour grows with their root, so that rare errors show. */
function confusion(test: readonly Digit[], read: readonly number[]): SeriesOption {
  const counts = classes.map(() => classes.map(() => 0));
  test.forEach(({ digit }, index) => counts[digit]![read[index]!]!++);
  const data = counts.flatMap((row, digit) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, answer) => [answer, digit, count, Math.sqrt(count / total)]);
  });
  return {
    type: 'heatmap',
    data,
    label: {
      show: true,
      formatter: ({ value }) => String((value as number[])[2] || ''),
    },
    itemStyle: { borderColor: '#e8e8e8', borderWidth: 1 },
  };
}

const accuracyOf = (name: string, curve: readonly EpochEvent[], read: (event: EpochEvent) => number): SeriesOption => ({
  type: 'line',
  name,
  xAxisIndex: 1,
  yAxisIndex: 1,
  showSymbol: curve.length < 2,
  data: curve.map((event) => [event.epoch, read(event)]),
});

/** Images side by side, a rectangle for each pixel that is not white. */
function pixelsOf(images: readonly Digit[]): SeriesOption {
  const data = images.flatMap(({ image }, index) =>
    Array.from(image).flatMap((grey, pixel) => {
      const left = (index % columns) * cellWidth + (pixel % size);
      const top = Math.floor(index / columns) * cellHeight + Math.floor(pixel / size) + 2;
      return grey > 0.15 ? [[left, top, grey]] : [];
    }),
  );
  return {
    type: 'custom',
    xAxisIndex: 2,
    yAxisIndex: 2,
    data,
    renderItem: (_, api) => {
      const [x, y] = api.coord([api.value(0), api.value(1)]);
      const [width, height] = api.size!([1, 1]) as number[];
      return {
        type: 'rect',
        shape: { x: x!, y: y!, width: width! + 0.2, height: height! + 0.2 },
        style: { fill: `rgba(20,20,20,${Number(api.value(2)).toFixed(2)})` },
      };
    },
  };
}
