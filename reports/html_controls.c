#include "reports/html.h"

/* The judge was tested in the same run: meshes of known behaviour, and what became of them. */

bool html_has_controls(const struct html *h)
{
    return h->report->judgement->control_count > 0;
}

/* An id that may be broken after its dots and underscores. */
static void add_id(struct text *to, const char *id)
{
    for (const char *dot = strpbrk(id, "._"); dot != NULL; dot = strpbrk(id, "._")) {
        html_bytes(to, (struct bytes){(const uint8_t *)id, (size_t)(dot - id + 1)});
        text_add(to, "<wbr>");
        id = dot + 1;
    }
    html_text(to, id);
}

static void add_control(struct html *h, const struct judged_control *c)
{
    struct text *to = h->to;
    bool right = strcmp(c->name, "right") == 0;
    /* what a control could not decide is no failure of the judge */
    const char *mark = c->as_it_must ? "pass" : c->kind == VERDICT_INCONCLUSIVE ? "inc" : "fail";
    text_add(to, "<tr class=\"r-%s\"><th scope=\"row\">", mark);
    if (right)
        text_add(to, "right mesh, no defect");
    else
        add_id(to, c->name);
    text_add(to, "</th><td class=\"m\">");
    if (right || c->claim == NULL)
        text_add(to, "<span class=\"words\">no claim may fail</span>");
    else
        add_id(to, c->claim);
    text_add(to, "</td><td><span class=\"%s\">", mark);
    html_glyph(to, mark);
    text_add(to, "</span> %s%s", verdict_kind_name(c->kind),
             c->as_it_must ? ", as it must" : ", <b>not as it must</b>");
    if (c->text != NULL && c->text[0] != '\0') {
        text_add(to, ": ");
        html_text(to, c->text);
    }
    text_add(to, "</td></tr>\n");
}

void html_controls(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    size_t broken = 0;
    for (size_t i = 0; i < g->control_count; i++)
        broken += strcmp(g->controls[i].name, "right") != 0;
    html_section(h->to, "controls", "Controls: the judge was tested");
    text_add(h->to,
             "<p class=\"sub\">In the same run the same claims judged %zu right mesh%s and %zu "
             "broken one%s.</p><table class=\"plain\"><thead><tr><th scope=\"col\">Mesh with this "
             "defect</th><th scope=\"col\">must fail</th><th scope=\"col\">result in this "
             "run</th></tr></thead><tbody>\n",
             g->control_count - broken, g->control_count - broken == 1 ? "" : "es", broken,
             broken == 1 ? "" : "s");
    for (size_t i = 0; i < g->control_count; i++)
        add_control(h, &g->controls[i]);
    text_add(h->to, "</tbody></table>");
    html_section_end(h->to);
}
