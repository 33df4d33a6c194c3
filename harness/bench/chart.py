"""The ratios as a picture: an SVG of bars, readable on light and dark, each bar with its words."""
from xml.sax.saxutils import escape

STYLE = """text { font: 13px system-ui, sans-serif; fill: #1b1f24 } .dim { fill: #57606a } .axis { stroke: #57606a }
.met { fill: #1a7f37 } .missed { fill: #cf222e } .open { fill: #8c959f } .bound { stroke: #1b1f24; stroke-width: 2 }
.page { fill: #ffffff }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .dim { fill: #9198a1 } .axis { stroke: #9198a1 }
.met { fill: #3fb950 } .missed { fill: #f85149 } .bound { stroke: #e6edf3 } .page { fill: #0d1117 } }"""
LABEL, WIDE, ROW = 330, 420, 26


def draw(rows, title):
    """Each bar is ratio / bound: the bound is one upright line for all. At least: the other way round."""
    bars = []
    for r in rows:
        share = (r["bound"] / r["ratio"] if r["ratio"] else 9) if r["note"] == "at least" else (
            r["ratio"] / r["bound"] if r["bound"] else float(r["ratio"] > 0) * 9)
        bars.append((r, share))
    height, unit = 76 + ROW * len(bars), WIDE / 2  # the bound in the middle; what is longer than twice is cut, and says so
    words = {True: ("met", "met"), False: ("missed", "not met"), None: ("open", "not judged")}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABEL + WIDE + 250} {height}" role="img" '
           f'aria-labelledby="t d"><title id="t">{escape(title)}</title>',
           '<desc id="d">' + escape("; ".join(f"{name(r)}: {r['ratio']:.3g}, bound {r['bound']:g}, {words[r['met']][1]}"
                                              for r, _ in bars)) + "</desc>",
           f"<style>{STYLE}</style><rect class='page' width='100%' height='100%'/>",
           f'<text x="12" y="24" font-weight="bold">{escape(title)}</text>',
           f'<text x="12" y="44" class="dim">bar: measured by its bound; left of the upright line is met</text>']
    for i, (r, share) in enumerate(bars):
        y = 60 + i * ROW
        style, verdict = words[r["met"]]
        cut = " (longer)" if share > 2 else ""
        out.append(f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(name(r))}</text>'
                   f'<rect class="{style}" x="{LABEL}" y="{y}" width="{max(1, min(share, 2) * unit):.1f}" height="18"/>'
                   f'<text x="{LABEL + WIDE + 8}" y="{y + 14}">{r["ratio"]:.3g} of {r["bound"]:g}: {verdict}{cut}</text>')
    x = LABEL + unit
    out.append(f'<line class="bound" x1="{x}" y1="54" x2="{x}" y2="{height - 14}"/></svg>')
    return "\n".join(out) + "\n"


def name(r):
    return f"{r['stage']}: {r['figure']}" + (f" / {r['against']}" if r["against"] else "")
