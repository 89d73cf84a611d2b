// What a sweep's page draws.
function draw() {
  distributionChart();
  sweepMap();
  stabilityCharts();
  parallelPlot();
  bestList();
}
