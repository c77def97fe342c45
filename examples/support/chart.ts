import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { init, type EChartsOption } from 'echarts';

/** Colours that stay apart in print and for the colour-blind (Okabe & Ito 2008). */
export const palette = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9'] as const;

/** Draws a chart by ECharts, in the process, and writes it as SVG. */
export async function writeChart(
  path: string,
  option: EChartsOption,
  { width = 960, height = 480 }: { readonly width?: number; readonly height?: number } = {},
): Promise<void> {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: '#fff', color: [...palette], ...option });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${chart.renderToSVGString()}\n`);
  } finally {
    chart.dispose();
  }
}
