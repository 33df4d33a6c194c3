#include "world/distribution.h"

#include <math.h>

#define SCALE 8192.0
#define MOST (32767.0 / SCALE)
#define PARETO_SHAPE 3.0
#define NORMAL_PART 0.25 /* of paretonormal */

/* The quantile by bisection of erfc: 4096 of them take a few milliseconds, once a fault. */
static double normal_quantile(double u)
{
    double low = -8, high = 8;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < u)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* Of shape 3: mean 3/2, variance 3/4. */
static double pareto_quantile(double u)
{
    return (pow(1 - u, -1 / PARETO_SHAPE) - 1.5) / sqrt(0.75);
}

static double quantile(enum netem_distribution law, double u)
{
    switch (law) {
    case NETEM_UNIFORM:
        return (2 * u - 1) * sqrt(3);
    case NETEM_NORMAL:
        return normal_quantile(u);
    case NETEM_PARETO:
        return pareto_quantile(u);
    case NETEM_PARETONORMAL:
        return NORMAL_PART * normal_quantile(u) + (1 - NORMAL_PART) * pareto_quantile(u);
    }
    UNREACHABLE();
}

static double cut(double x)
{
    return x > MOST ? MOST : x < -MOST ? -MOST : x;
}

static void standardise(double x[DISTRIBUTION_ENTRIES])
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        sum += x[i];
    double mean = sum / DISTRIBUTION_ENTRIES;
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double deviation = sqrt(squares / DISTRIBUTION_ENTRIES);
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        x[i] = cut((x[i] - mean) / deviation);
}

void distribution_table(enum netem_distribution law, int16_t table[DISTRIBUTION_ENTRIES])
{
    static double x[DISTRIBUTION_ENTRIES];
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        x[i] = cut(quantile(law, ((double)i + 0.5) / DISTRIBUTION_ENTRIES));
    /* Each cut moves the mean a little less: after 40 it is below the table's own grain. */
    for (int i = 0; i < 40; i++)
        standardise(x);
    for (size_t i = 0; i < DISTRIBUTION_ENTRIES; i++)
        table[i] = (int16_t)lround(x[i] * SCALE);
}
