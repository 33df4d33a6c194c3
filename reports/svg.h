#ifndef REPORTS_SVG_H
#define REPORTS_SVG_H

/* SVG elements for the HTML report, appended to one growing text; no tree is held (spec/ui.md 11).
 * Text and names are escaped; class names and ids are ours. No style and no handler is ever
 * written: the page's policy of hashes forbids both.
 *
 * A length is an int32_t in tenths of a pixel (PX(12) is 12 px), so that the bytes are the same on
 * every machine and in every locale. */

#include "reports/html_text.h"

#define PX(pixels) ((int32_t)((pixels)*10))

struct svg {
    struct text *to;
    const char *id;  /* of this chart on the page: prefix of the ids in it */
    unsigned coarse; /* 0, 1, 2, ...: buckets are this many steps wider than the rule has them,
                        because the page did not fit its budget */
};

/* Tenths of a pixel: "24.5", "24". */
void svg_px(struct text *to, int32_t px10);

/* The frame of one drawing: role="img" with title and desc, made known to screen readers by ids
 * from ${svg->id}. ${wide}: NULL, or the class of a box that scrolls sideways on narrow screens
 * ("w1000", "w1180"), named by ${title}. */
struct svg_frame {
    const char *title; /* what is drawn, with its subject */
    const char *desc;  /* the finding in one sentence; NULL: it holds none */
    const char *wide;
    const char *part; /* a second drawing of one chart: "b", "c"; NULL: the first */
    int32_t width_px10, height_px10;
};
void svg_open(struct svg *s, const struct svg_frame *frame);
void svg_close(struct svg *s, const struct svg_frame *frame);

/* ${class} may be "" in all of these. */
void svg_line(struct svg *s, const char *class, int32_t x1, int32_t y1, int32_t x2, int32_t y2);
void svg_rect(struct svg *s, const char *class, int32_t x, int32_t y, int32_t width,
              int32_t height);
/* A box with corners of 4 px. */
void svg_box(struct svg *s, const char *class, int32_t x, int32_t y, int32_t width, int32_t height);
void svg_circle(struct svg *s, const char *class, int32_t x, int32_t y, int32_t radius);
/* ${class} sets where it is anchored: "c" middle, "e" end. */
void svg_text(struct svg *s, const char *class, int32_t x, int32_t y, const char *text);
/* The same with a name that html_cut may cut; its title is then the whole of it. */
void svg_name(struct svg *s, const char *class, int32_t x, int32_t y, const char *name);
/* One of the page's symbols: "v-pass", "v-fail", "v-inc", "v-warn", "v-abort" (html_page.h). */
void svg_use(struct svg *s, const char *symbol, const char *class, int32_t x, int32_t y,
             int32_t size);

/* One path element with relative commands: points are given absolute, in any number. */
struct svg_path {
    struct text *to;
    int32_t x, y, start_x, start_y;
};
void svg_path_begin(struct svg *s, struct svg_path *p, const char *class);
void svg_path_move(struct svg_path *p, int32_t x, int32_t y);
void svg_path_line(struct svg_path *p, int32_t x, int32_t y);
/* A bar from its corner: four sides, closed; a negative height goes up. */
void svg_path_bar(struct svg_path *p, int32_t x, int32_t y, int32_t width, int32_t height);
void svg_path_close(struct svg_path *p);
void svg_path_end(struct svg_path *p);

/* About how wide ${text} is at 12.5 px, for labels that must not meet: an upper bound for usual
 * letters. ${bold} and class "mm" are wider. */
int32_t svg_text_width(const char *text, bool bold);

#endif
