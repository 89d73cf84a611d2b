// What the reports draw with.  README.md has the command that makes echarts.min.js of it.
import * as core from "echarts/core";
import {
  BarChart, CandlestickChart, HeatmapChart, LineChart, LinesChart, ParallelChart, ScatterChart,
} from "echarts/charts";
import {
  AriaComponent, AxisPointerComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent,
  ParallelComponent, TooltipComponent, VisualMapComponent,
} from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

core.use([
  BarChart, CandlestickChart, HeatmapChart, LineChart, LinesChart, ParallelChart, ScatterChart,
  AriaComponent, AxisPointerComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent,
  ParallelComponent, TooltipComponent, VisualMapComponent, CanvasRenderer,
]);
export const { init } = core;
