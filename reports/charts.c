#include "reports/chart.h"

/* The last row is none: an array needs one. */
static const struct chart charts[] = {
#define CHART(name, heading, jump, whole) {#name, heading, jump, whole, chart_##name},
#include "reports/charts.def"
#undef CHART
    {NULL, NULL, NULL, false, NULL}};

const struct chart *charts_all(size_t *ret_count)
{
    *ret_count = COUNT_OF(charts) - 1;
    return charts;
}
