import type { EChartsOption } from 'echarts';

/** How much a tagger has right: fractions of vowels, of words, and of the vowels in words of 1, 2, ... vowels. */
export interface Tagging {
  readonly name: string;
  readonly vowels: number;
  readonly words: number;
  readonly byVowels: readonly (number | null)[];
}

export function stressChart(taggings: readonly Tagging[]): EChartsOption {
  const heading = { fontSize: 13, fontWeight: 'normal' } as const;
  const axis = { type: 'value', max: 1, axisLabel: { formatter: inPercent } } as const;
  return {
    title: [
      { text: 'Stress of held-out English words, from their phonemes', left: 20, top: 10 },
      { text: 'Right: of all vowels, and of words in every vowel', left: 60, top: 50, textStyle: heading },
      { text: 'Vowels right, by the number of vowels in the word', left: 560, top: 50, textStyle: heading },
    ],
    legend: { bottom: 10, left: 'center', itemGap: 45, data: taggings.map(({ name }) => name) },
    grid: [
      { left: 60, top: 85, width: 420, height: 290 },
      { left: 560, top: 85, width: 410, height: 290 },
    ],
    xAxis: [
      { type: 'category', gridIndex: 0, data: ['vowels', 'words'] },
      {
        type: 'category',
        gridIndex: 1,
        data: taggings[0]!.byVowels.map((_, index) => String(index + 1)),
      },
    ],
    yAxis: [
      { ...axis, gridIndex: 0, min: 0 },
      { ...axis, gridIndex: 1, min: 0 },
    ],
    series: [
      ...taggings.map(({ name, vowels, words }) => ({
        type: 'bar' as const,
        name,
        data: [vowels, words],
        label: {
          show: true,
          position: 'top' as const,
          fontSize: 10,
          formatter: ({ value }: { value?: unknown }) => inPercent(Number(value)),
        },
      })),
      ...taggings.map(({ name, byVowels }) => ({
        type: 'line' as const,
        name,
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: [...byVowels],
      })),
    ],
  };
}

const inPercent = (value: number): string => `${(100 * value).toFixed(0)} %`;
