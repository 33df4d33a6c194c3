#include "reports/svg.h"

static void add_class(struct text *to, const char *class)
{
    if (class[0] != '\0')
        text_add(to, " class=\"%s\"", class);
}

static void add_number(struct text *to, const char *name, int32_t px10)
{
    text_add(to, " %s=\"", name);
    svg_px(to, px10);
    text_add(to, "\"");
}

static void add_place(struct text *to, int32_t x, int32_t y)
{
    add_number(to, "x", x);
    add_number(to, "y", y);
}

void svg_px(struct text *to, int32_t px10)
{
    html_fixed(to, px10, 1);
}

static void add_id(struct svg *s, const struct svg_frame *f, const char *which)
{
    text_add(s->to, "%s%s-%s", s->id, f->part == NULL ? "" : f->part, which);
}

void svg_open(struct svg *s, const struct svg_frame *f)
{
    struct text *to = s->to;
    if (f->wide != NULL) {
        text_add(to, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
        html_text(to, f->title);
        text_add(to, ", scrolls sideways\"><div class=\"%s\">", f->wide);
    }
    text_add(to, "<svg viewBox=\"0 0 ");
    svg_px(to, f->width_px10);
    text_add(to, " ");
    svg_px(to, f->height_px10);
    text_add(to, "\" id=\"%s%s-svg\" role=\"img\" aria-labelledby=\"", s->id,
             f->part == NULL ? "" : f->part);
    add_id(s, f, "t");
    if (f->desc != NULL) {
        text_add(to, " ");
        add_id(s, f, "d");
    }
    text_add(to, "\"><title id=\"");
    add_id(s, f, "t");
    text_add(to, "\">");
    html_text(to, f->title);
    text_add(to, "</title>");
    if (f->desc == NULL)
        return;
    text_add(to, "<desc id=\"");
    add_id(s, f, "d");
    text_add(to, "\">");
    html_text(to, f->desc);
    text_add(to, "</desc>");
}

void svg_close(struct svg *s, const struct svg_frame *f)
{
    text_add(s->to, "</svg>%s\n", f->wide != NULL ? "</div></div>" : "");
}

void svg_line(struct svg *s, const char *class, int32_t x1, int32_t y1, int32_t x2, int32_t y2)
{
    struct svg_path p;
    svg_path_begin(s, &p, class);
    svg_path_move(&p, x1, y1);
    svg_path_line(&p, x2, y2);
    svg_path_end(&p);
}

static void add_rect(struct svg *s, const char *class, int32_t x, int32_t y, int32_t width,
                     int32_t height)
{
    text_add(s->to, "<rect");
    add_class(s->to, class);
    add_place(s->to, x, y);
    add_number(s->to, "width", width < 0 ? 0 : width);
    add_number(s->to, "height", height < 0 ? 0 : height);
}

void svg_rect(struct svg *s, const char *class, int32_t x, int32_t y, int32_t width, int32_t height)
{
    add_rect(s, class, x, y, width, height);
    text_add(s->to, "/>");
}

void svg_box(struct svg *s, const char *class, int32_t x, int32_t y, int32_t width, int32_t height)
{
    add_rect(s, class, x, y, width, height);
    text_add(s->to, " rx=\"4\"/>");
}

void svg_circle(struct svg *s, const char *class, int32_t x, int32_t y, int32_t radius)
{
    text_add(s->to, "<circle");
    add_class(s->to, class);
    add_number(s->to, "cx", x);
    add_number(s->to, "cy", y);
    add_number(s->to, "r", radius);
    text_add(s->to, "/>");
}

static void open_text(struct svg *s, const char *class, int32_t x, int32_t y)
{
    text_add(s->to, "<text");
    add_class(s->to, class);
    add_place(s->to, x, y);
    text_add(s->to, ">");
}

void svg_text(struct svg *s, const char *class, int32_t x, int32_t y, const char *text)
{
    open_text(s, class, x, y);
    html_text(s->to, text);
    text_add(s->to, "</text>");
}

void svg_use(struct svg *s, const char *symbol, const char *class, int32_t x, int32_t y,
             int32_t size)
{
    text_add(s->to, "<use href=\"#%s\"", symbol);
    add_class(s->to, class);
    add_place(s->to, x, y);
    add_number(s->to, "width", size);
    add_number(s->to, "height", size);
    text_add(s->to, "/>");
}

void svg_path_begin(struct svg *s, struct svg_path *p, const char *class)
{
    *p = (struct svg_path){.to = s->to};
    text_add(s->to, "<path");
    add_class(s->to, class);
    text_add(s->to, " d=\"");
}

/* "dx dy"; a minus sign parts two numbers as well as a space does. */
static void add_pair(struct text *to, int32_t dx, int32_t dy)
{
    svg_px(to, dx);
    if (dy >= 0)
        text_add(to, " ");
    svg_px(to, dy);
}

void svg_path_move(struct svg_path *p, int32_t x, int32_t y)
{
    text_add(p->to, "m");
    add_pair(p->to, x - p->x, y - p->y);
    p->x = p->start_x = x;
    p->y = p->start_y = y;
}

void svg_path_line(struct svg_path *p, int32_t x, int32_t y)
{
    if (y == p->y) {
        text_add(p->to, "h");
        svg_px(p->to, x - p->x);
    } else if (x == p->x) {
        text_add(p->to, "v");
        svg_px(p->to, y - p->y);
    } else {
        text_add(p->to, "l");
        add_pair(p->to, x - p->x, y - p->y);
    }
    p->x = x;
    p->y = y;
}

void svg_path_bar(struct svg_path *p, int32_t x, int32_t y, int32_t width, int32_t height)
{
    svg_path_move(p, x, y);
    svg_path_line(p, x, y + height);
    svg_path_line(p, x + width, y + height);
    svg_path_line(p, x + width, y);
    svg_path_close(p);
}

void svg_path_close(struct svg_path *p)
{
    text_add(p->to, "z");
    p->x = p->start_x;
    p->y = p->start_y;
}

void svg_path_end(struct svg_path *p)
{
    text_add(p->to, "\"/>");
}

int32_t svg_text_width(const char *text, bool bold)
{
    struct bytes from = bytes_of(text);
    int32_t width = 0;
    for (size_t at = 0; at < from.len;) {
        uint32_t c = html_decode(from, &at);
        bool narrow = c == 'i' || c == 'l' || c == 'j' || c == '.' || c == ',' || c == ':' ||
                      c == ' ' || c == '\'' || c == '|';
        bool broad = c == 'm' || c == 'w' || c == 'M' || c == 'W' || c >= 0x1100;
        width += narrow ? 42 : broad ? 125 : 76;
    }
    return bold ? width + width / 12 : width;
}

void svg_name(struct svg *s, const char *class, int32_t x, int32_t y, const char *name)
{
    open_text(s, class, x, y);
    if (html_is_long(name)) {
        text_add(s->to, "<title>");
        html_text(s->to, name);
        text_add(s->to, "</title>");
    }
    html_cut(s->to, name);
    text_add(s->to, "</text>");
}
