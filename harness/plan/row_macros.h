#ifndef PLAN_ROW_MACROS_H
#define PLAN_ROW_MACROS_H

/* How a table of rows is written: for tables.c, guard_tables.c and notify.c alone. A row is
 * {.name = "rate", RATE(struct load_plan, rate_per_h), BOTH}. */

#include "plan/row.h"

#define AT(type, field) .offset = offsetof(type, field), .width = sizeof(((type *)NULL)->field)
#define BOTH .face = ROW_SUITE | ROW_SAVED
#define SUITE .face = ROW_SUITE
#define SAVED .face = ROW_SAVED
#define TEXT(type, field) .kind = ROW_TEXT, AT(type, field)
#define TEXTS(type, field, count) \
    .kind = ROW_TEXTS, AT(type, field), .count_offset = offsetof(type, count)
#define COUNT(type, field) .kind = ROW_NUMBER, .unit = UNIT_COUNT, AT(type, field)
#define TIME(type, field) \
    .kind = ROW_NUMBER, .unit = UNIT_TIME_NS, AT(type, field), .most = TIME_MOST
#define SIZE(type, field) \
    .kind = ROW_NUMBER, .unit = UNIT_BYTES, AT(type, field), .most = BYTES_MOST
#define SHARE(type, field) \
    .kind = ROW_NUMBER, .unit = UNIT_SHARE_PPM, AT(type, field), .most = 1000000
#define RATE(type, field) \
    .kind = ROW_NUMBER, .unit = UNIT_RATE_PER_H, AT(type, field), .most = RATE_MOST
#define WORD(type, field, list) .kind = ROW_WORD, AT(type, field), .words = list
#define LIST(type, field, count, table) \
    .kind = ROW_LIST, AT(type, field), .count_offset = offsetof(type, count), .of = &table
#define WHERE(type) \
    { \
        .name = "where", .kind = ROW_SOURCE, AT(type, source), SAVED \
    }
#define SPECIAL(key) \
    { \
        .name = key, .kind = ROW_SPECIAL, SUITE \
    }
#define UNBUILT(key) \
    { \
        .name = key, .kind = ROW_UNBUILT, SUITE \
    }
#define TABLE(name_, word_, rows_, type, after_) \
    const struct row_table name_ = {word_, rows_, COUNT_OF(rows_), sizeof(type), after_}

#define TIME_MOST (UINT64_C(30) * 86400 * 1000000000) /* 30 days */
#define BYTES_MOST (UINT64_C(64) << 20)
#define RATE_MOST (UINT64_C(1000000) * 3600) /* 1 000 000/s */

#endif
