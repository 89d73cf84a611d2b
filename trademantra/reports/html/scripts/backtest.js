// What a back-test's page draws.
function draw() {
  equityChart();
  priceChart();
  returnCharts();
  tradeList();
}
