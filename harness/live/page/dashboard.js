// The live page: one snapshot a second, the newest replaces. Text reaches the page by textContent alone.
"use strict";
(() => {
  const STOPPING = "The run is stopping.", LOST_MS = 3000, LANES_WIDE = 60, LANES_NARROW = 30, EVENTS_SHOWN = 50;
  const SVG = "http://www.w3.org/2000/svg";
  const root = document.documentElement, narrow = matchMedia("(max-width:700px)");
  const $ = id => document.getElementById(id);
  let last = null, shown = null, came = 0, opened = performance.now(), held = false, lost = false, more = false, source = null;

  // Elements: tag, attributes, then children: nodes or text.
  const fill = (e, attributes, children) => {
    for (const name in attributes) e.setAttribute(name, attributes[name]);
    for (const child of children) e.append(child);
    return e;
  };
  const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const say = (id, text) => { const e = $(id); if (e.textContent !== text) e.textContent = text };
  const glyph = name => svg("svg", {class: "g", "aria-hidden": "true"}, svg("use", {href: "#" + name}));

  // Numbers as people read them: a clock of minutes, thousands parted by a space.
  const clock = (ms, tenths) => {
    const s = Math.max(0, ms) / 1000, whole = Math.floor(s), rest = tenths ? "." + Math.floor(s * 10 % 10) : "";
    const two = n => String(n).padStart(2, "0");
    return (whole >= 3600 ? Math.floor(whole / 3600) + ":" + two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) + ":" + two(whole % 60) + rest;
  };
  const count = n => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const many = (n, one, more) => count(n) + " " + (n === 1 ? one : more);
  const short = text => { const all = Array.from(text); return all.length <= 28 ? text : all.slice(0, 14).join("") + "\u2026" + all.slice(-13).join("") };
  const one = x => Math.round(x * 10) / 10;
  const moving = s => s.state === "running" || s.state === "waiting" || s.state === "undoing";
  const since = () => last === null ? 0 : last.since_start_ms + (moving(last) && !lost ? performance.now() - came : 0);
  const run_word = () => last !== null && last.run ? " " + last.run : "";

  // --- what the parts show ---
  const GUARD = {ok: ["pass", "v-pass", "holds"], near: ["inc", "v-near", "near the limit"], tripped: ["fail", "v-fail", "broken"]};
  const KIND = {PASS: ["pass", "v-pass"], FAIL: ["fail", "v-fail"], INCONCLUSIVE: ["inc", "v-inc"]};
  const FAILED = {"5": "5xx", t: "timed out", r: "reset", x: "refused"};

  function bar(s) {
    const aborted = s.abort_reason !== "", done = s.state === "done", undoing = s.state === "undoing";
    root.dataset.state = s.state;
    root.dataset.end = aborted ? "aborted" : done ? "done" : "";
    say("state", done && aborted ? "aborted" : s.state);
    $("state-g").setAttribute("href", "#s-" + (done && aborted ? "aborted" : s.state));
    say("edge", s.edge.replace(" -> ", " \u2192 ") || s.scenario || "a run of meshproof");
    say("suite", [s.edge ? s.scenario : "", s.suite, s.seed && "seed " + s.seed, s.target].filter(Boolean).join(", "));
    say("total", s.expected_total_ms > 0 ? " of " + clock(s.expected_total_ms) : "");
    $("stop").hidden = $("pause").hidden = $("resume").hidden = undoing || done;
    if (!undoing && !done) {
      $("pause").hidden = s.state === "paused";
      $("resume").hidden = s.state !== "paused";
      for (const b of document.querySelectorAll("#pause button, #resume button")) b.disabled = s.state === "starting";
    }
    say("lifts", s.faults.length === 0 ? "no fault is in force now" : s.faults.length === 1 ? "lifts 1 fault at once" : "lifts " + s.faults.length + " faults at once");
    $("ending").hidden = !undoing && !done;
    if (undoing) say("ending", s.undo_total > 0 ? "undoing " + s.undone + " of " + s.undo_total : "undoing");
    else if (done) $("ending").replaceChildren("The report: ", html("code", {}, "meshproof report " + (s.run || "last")));
    if (undoing || done) $("dialog").close();
    $("over").hidden = !aborted && !done;
    $("over-g").setAttribute("href", aborted ? "#s-aborted" : "#s-done");
    const stop = s.events.find(e => e.kind === "run" && e.text.startsWith("aborted"));
    const undone = s.undo_total === 0 ? "Nothing had to be undone." : s.undone >= s.undo_total ? "All " + many(s.undo_total, "change is", "changes are") + " undone." :
      s.undone + " of " + s.undo_total + " changes are undone" + (done ? ": meshproof recover --run" + run_word() + "." : " so far.");
    say("over-h", aborted ? "Aborted" + (stop ? " at " + clock(stop.at_ms, true) : "") + ": " + s.abort_reason + "." : "The run is over" + (s.end ? ": " + s.end : "") + ".");
    say("over-t", (aborted ? undone + " " : "") + (done ? "What was seen is in " + s.journal + "; the report settles the verdicts." : ""));
    say("dialog-t", (s.faults.length === 0 ? "No fault is in force now; the" : s.faults.length === 1 ? "The fault in force is lifted now and the" :
      "All " + s.faults.length + " faults are lifted now and the") + " world is put back. The run ends with exit code 3; what was seen stays in " + (s.journal || "its journal") + ".");
    document.title = (done && aborted ? "aborted" : s.state) + " " + clock(s.since_start_ms) + ", " + (s.edge || s.scenario) + ", meshproof";
  }

  function phases(s) {
    $("steps").classList.toggle("many", s.phases.length > 8);
    $("steps").replaceChildren(...s.phases.map(p => {
      const li = html("li", {class: p.state, title: p.name}, html("span", {}, p.name), html("span", {class: "m"}, clock(p.from_ms)));
      if (p.state === "now") li.setAttribute("aria-current", "step");
      return li;
    }));
    next(s);
  }

  function next(s) {
    const now = s.phases.find(p => p.state === "now"), parts = [];
    if (now !== undefined) {
      const left = s.phase_left_ms - (s.state === "running" && !lost ? performance.now() - came : 0);
      parts.push(html("b", {}, now.name));
      if (s.phase_left_ms >= 0) parts.push(": ", html("b", {}, one(Math.max(0, left) / 1000).toFixed(1) + " s"), " left");
      if (s.ends) parts.push((s.phase_left_ms >= 0 ? ", " : ": ") + s.ends);
      parts.push(". ");
    }
    if (s.next) parts.push(s.next + ".");
    $("next").replaceChildren(...parts);
  }

  // Samples are per cent of the limit, which is the line at 100; -1: none.
  function sparkline(g) {
    const seen = g.samples.filter(v => v >= 0), picture = svg("svg", {viewBox: "0 0 300 50", preserveAspectRatio: "none", role: "img", "aria-label": g.name + ", last 60 s: " + g.value + ", " + g.limit});
    const high = Math.max(100, ...seen), low = g.upper ? 0 : Math.min(100, ...seen), pad = (high - low || 1) * .12;
    const y = v => one(46 - 42 * (v - low + (g.upper ? 0 : pad)) / (high - low + (g.upper ? pad : 2 * pad)));
    let path = "", pen = false, end = null;
    g.samples.forEach((v, i) => {
      if (v < 0) { pen = false; return }
      path += (pen ? "L" : "M") + one(4 + i * 292 / 59) + " " + y(v);
      pen = true;
      end = [one(4 + i * 292 / 59), y(v)];
    });
    picture.append(svg("path", {d: "M4 " + y(100) + "H296", class: "limit"}), svg("path", {d: path || "M4 46", class: "line"}));
    if (end !== null) picture.append(svg("circle", {cx: end[0], cy: end[1], r: 3, class: "dot"}));
    return picture;
  }

  function guards(s) {
    $("guard").hidden = s.guards.length === 0;
    $("gauges").replaceChildren(...s.guards.map(g => {
      const [colour, mark, word] = GUARD[g.state];
      return html("div", {class: "gauge"}, html("div", {}, html("h3", {}, short(g.name)), html("span", {class: "word " + colour}, glyph(mark), " " + word)),
        html("div", {}, html("b", {}, g.value), " ", html("span", {class: "mute"}, g.limit)), sparkline(g));
    }));
  }

  // "payments/2, /3", "payments", "checkout -> payments": the endpoints that a fault is on.
  function touches(place, name) {
    let service = "";
    return place.split(/,\s*/).some(part => {
      part = part.split("->").pop().trim();
      const cut = part.indexOf("/");
      if (cut !== 0) service = cut < 0 ? part : part.slice(0, cut);
      return cut < 0 ? name === service || name.startsWith(service + "/") : name === service + part.slice(cut);
    });
  }

  const runs = (kind, from, mark) => {
    const all = [];
    for (let i = from; i < kind.length; i++)
      if (kind[i] === mark) { if (all.length > 0 && all[all.length - 1][1] === i) all[all.length - 1][1]++; else all.push([i, i + 1]) }
    return all;
  };

  function lane(l, s, at, most, shape) {
    const {left, right, step, from} = shape, zero = at + 58, parts = [];
    const x = i => one(left + (i - from) * step);
    const bars = (values, kinds, mark, up, top, height) => {
      let path = "";
      for (let i = from; i < values.length; i++) {
        if (values[i] === 0 || (kinds !== null && kinds[i] !== mark)) continue;
        const h = one(Math.max(2.5, values[i] / Math.max(1, top) * height));
        path += "M" + x(i) + " " + (up ? zero : zero + 1) + "v" + (up ? -h : h) + "h" + one(step - .8) + "V" + (up ? zero : zero + 1) + "z";
      }
      return path;
    };
    parts.push(svg("text", {x: 0, y: at + 12, class: "b"}, short(l.name)));
    const on = s.faults.filter(f => touches(f.place, l.name)), second = s.since_start_ms / 1000;
    on.slice(0, 1).forEach(f => {
      const now = s.phases.find(p => p.state === "now");
      const ago = f.total_ms >= 0 && f.left_ms >= 0 ? (f.total_ms - f.left_ms) / 1000 : now ? second - now.from_ms / 1000 : 0;
      const begin = Math.max(left, right - ago * step), text = f.text + (f.share ? ", " + f.share : "") + (on.length > 1 ? " and " + (on.length - 1) + " more" : "");
      const room = right - begin > 7 * text.length;
      parts.push(svg("rect", {x: one(begin), y: at, width: one(Math.max(1, right - begin)), height: 16, class: "fault"}));
      parts.push(svg("text", {x: one(room ? (begin + right) / 2 : begin - 6), y: at + 12, class: "s t-fault " + (room ? "mid" : "end")}, text));
    });
    parts.push(svg("path", {class: "bar-ok", d: bar_or(bars(l.answered, null, "", true, most.answered, 34))}));
    for (const k of Object.keys(FAILED)) {
      const path = bars(l.failed, l.kind, k, false, most.failed, 16);
      if (path) parts.push(svg("path", {class: "bar-" + k, d: path}));
    }
    // Failures of a second in which the endpoint was out, or of no kind: still failures.
    const other = bars(l.failed, l.kind.replace(/[^#.]/g, " ").replace(/[#.]/g, "o"), "o", false, most.failed, 16);
    if (other) parts.push(svg("path", {class: "bar-r", d: other}));
    parts.push(svg("path", {d: "M" + left + " " + zero + "H" + right, class: "zero"}));
    for (const [a, b] of runs(l.kind, from, "#"))
      parts.push(svg("rect", {x: x(a), y: zero + 20, width: one((b - a) * step), height: 7, class: "bar-out"}));
    const worst = Array.from(l.kind).reverse().find(k => k in FAILED) || "";
    parts.push(svg("text", {x: left - 8, y: zero - 16, class: "end s"}, "answered"), svg("text", {x: left - 8, y: zero + 14, class: "end s"}, worst ? FAILED[worst] : "failed"));
    parts.push(svg("text", {x: right + 8, y: zero - 16, class: "b t-ok"}, count(l.answered_per_s) + "/s"));
    parts.push(svg("text", {x: right + 8, y: zero + 14, class: "b" + (worst ? " t-" + worst : "")}, count(l.failed_per_s) + "/s"));
    if (l.out) parts.push(svg("text", {x: right + 8, y: zero + 28, class: "b"}, "OUT"));
    return parts;
  }
  const bar_or = path => path || "M0 0";

  function lanes(s) {
    const n = narrow.matches ? LANES_NARROW : LANES_WIDE, width = narrow.matches ? 396 : 780;
    const shape = {left: narrow.matches ? 88 : 96, right: width - 58, from: 60 - n};
    shape.step = (shape.right - shape.left) / n;
    say("span", String(n));
    say("lanes-more", s.lanes_more > 0 ? "and " + many(s.lanes_more, "more endpoint", "more endpoints") : "");
    if (s.lanes.length === 0) return;
    const most = {answered: Math.max(...s.lanes.flatMap(l => l.answered.slice(60 - n))), failed: Math.max(...s.lanes.flatMap(l => l.failed.slice(60 - n)))};
    const height = 34 + s.lanes.length * 94 + 30, out = s.lanes.filter(l => l.out).map(l => l.name);
    const picture = svg("svg", {viewBox: "0 0 " + width + " " + height, role: "img", "aria-labelledby": "lanes-t lanes-d"});
    picture.append(svg("title", {id: "lanes-t"}, "Tries at each endpoint in the last " + n + " seconds"), svg("desc", {id: "lanes-d"},
      s.lanes.map(l => l.name + ": " + l.answered_per_s + " answered and " + l.failed_per_s + " failed a second").join("; ") + (out.length > 0 ? ". Out now: " + out.join(", ") : "")));
    const second = s.since_start_ms / 1000;
    for (const p of s.phases) {
      if (p.state === "next") continue;
      const a = Math.max(shape.left, shape.right - (second - p.from_ms / 1000) * shape.step), b = p.state === "now" ? shape.right : shape.right - (second - p.to_ms / 1000) * shape.step;
      if (b <= shape.left || b - a < 1) continue;
      picture.append(svg("rect", {x: one(a), y: 4, width: one(b - a - 1), height: 24, class: "band"}));
      if (b - a > 7 * short(p.name).length) picture.append(svg("text", {x: one((a + b) / 2), y: 20.5, class: "mid b"}, short(p.name)));
    }
    s.lanes.forEach((l, i) => picture.append(...lane(l, s, 38 + i * 94, most, shape)));
    const foot = height - 26;
    picture.append(svg("path", {d: "M" + shape.left + " " + foot + "H" + shape.right, class: "ax"}));
    for (let t = 0; t <= n; t += 15)
      picture.append(svg("path", {d: "M" + one(shape.right - t * shape.step) + " " + foot + "v4", class: "ax"}), svg("text", {x: one(shape.right - t * shape.step), y: foot + 18, class: "mid s"}, t === 0 ? "now" : "\u2212" + t + " s"));
    say("scale", "bars of 1 s; the tallest: " + count(most.answered) + " answered" + (most.failed > 0 ? ", " + count(most.failed) + " failed" : ""));
    $("lanes").replaceChildren(picture);
  }

  function faults(s) {
    say("fault-n", String(s.faults.length));
    say("reach", s.faults.length === 0 ? "" : "reach: about " + count(s.touched_per_s) + " of " + count(s.tries_per_s) + " tries/s, " + s.endpoints_touched + " of " + many(s.endpoints, "endpoint", "endpoints"));
    $("faults").hidden = s.faults.length === 0;
    $("fault-rows").replaceChildren(...s.faults.map(f => {
      const ends = html("td", {class: "num"}, html("b", {class: "ttl"}, ""));
      if (f.total_ms > 0 && f.left_ms >= 0) ends.append(html("progress", {max: f.total_ms, "aria-label": f.text + " on " + f.place + ": time left"}));
      return html("tr", {}, html("th", {scope: "row"}, short(f.text)), html("td", {title: f.place}, short(f.place)), html("td", {class: "wide"}, f.share + (f.share.endsWith("%") ? " of requests" : "") + ", " + (f.reach_per_s > 0 ? "about " + count(f.reach_per_s) + "/s" : "0/s now") + ", " + count(f.fired) + " so far"), ends);
    }));
    countdown();
  }

  function countdown() {
    const gone = moving(shown) && shown.state !== "waiting" && !lost ? performance.now() - came : 0;
    document.querySelectorAll("#fault-rows tr").forEach((row, i) => {
      const left = shown.faults[i].left_ms, meter = row.querySelector("progress");
      row.querySelector(".ttl").textContent = left < 0 ? "with its phase" : clock(left - gone, true);
      if (meter !== null) meter.value = Math.max(0, left - gone);
    });
  }

  function verdicts(s) {
    const all = s.fail + s.inconclusive + s.pass;
    say("claims", all > 0 ? many(all, "claim", "claims") : "none yet");
    say("n-fail", count(s.fail) + " fail");
    say("n-inc", count(s.inconclusive) + " inconclusive");
    say("n-pass", count(s.pass) + " pass");
    const rows = s.verdicts.filter(v => v.kind in KIND).map(v => {
      const [colour, mark] = KIND[v.kind];
      return html("tr", {}, html("td", {}, html("span", {class: "v " + colour}, glyph(mark), v.kind)),
        html("th", {scope: "row"}, v.text || v.claim, html("span", {class: "mute dt"}, html("span", {class: "m"}, v.claim), v.mark ? " " + v.mark : "")));
    });
    const more = all - rows.length;
    if (more > 0) rows.push(html("tr", {}, html("td", {}, ""), html("th", {scope: "row", class: "mute"}, "and " + count(more) + " more: meshproof verify" + run_word())));
    $("verdicts").replaceChildren(...rows);
  }

  function events(s) {
    $("log").replaceChildren(...s.events.slice(0, EVENTS_SHOWN).map(e => {
      const colour = e.kind === "claim" && /\bFAIL\b/.test(e.text) ? "is-fail" : e.kind === "guard" || e.kind === "question" ? "is-inc" : "";
      return html("li", {class: colour}, html("span", {class: "m mute"}, clock(e.at_ms, true)), " ", html("b", {}, e.kind), " ", html("span", {}, e.text));
    }));
  }

  function question(s) {
    const q = s.question, was = $("question").hidden;
    $("question").hidden = q === null;
    if (q === null) return;
    $("number").value = q.number;
    say("ask", q.ask);
    say("ask-for", (q.role ? "For: " + q.role + ". " : "") + (q.within_ms > 0 ? "Within " + clock(q.within_ms) + ", asked at " + clock(q.since_ms) + ". " : "") + "From a shell: meshproof answer" + run_word() + " " + q.number + " yes");
    if (was) say("said", "The run waits for a person: " + q.ask);
  }

  // What is announced: guards and verdicts when they change, and the link. Clocks and lanes are not.
  function announce(s) {
    const of = x => x.guards.map(g => g.name + " " + GUARD[g.state][2]).join(", ") + "; " + many(x.fail, "claim fails", "claims fail");
    if (last !== null && of(last) !== of(s)) say("said", of(s));
    if (s.state === "done" && $("told").textContent === STOPPING) say("told", "The run has stopped.");
  }

  function show(s) {
    shown = s;
    for (const part of [bar, phases, guards, lanes, faults, verdicts, events, question]) part(s);
    tick();
  }

  function link(is) {
    if (lost === is) return;
    lost = is;
    root.dataset.link = is ? "lost" : "up";
    say("alert", is ? "No word from the run for three seconds." : last === null ? "" : "The run is heard again.");
    if (shown !== null) { countdown(); next(shown) }
  }

  function tick() {
    const over = last !== null && last.state === "done", silent = performance.now() - (last === null ? opened : came);
    link(!over && silent > LOST_MS);
    if (lost) {
      say("gone", " for " + Math.floor(silent / 1000) + " s");
      say("stale", last === null ? "" : "Everything below is as of " + clock(last.since_start_ms, true) + ", not now.");
      const left = last === null ? [] : last.faults.map(f => f.left_ms).filter(ms => ms >= 0);
      say("ends-self", last !== null && last.faults.length > 0 && left.length === last.faults.length ? "; its faults end by themselves in at most " + clock(Math.max(0, Math.max(...left) - silent)) : "");
      say("halt", "meshproof halt" + run_word());
    }
    if (shown === null || (held && !lost)) return;
    say("clock", clock(since(), true));
    if (!lost) { countdown(); next(shown) }
  }

  function on_snapshot(event) {
    const s = JSON.parse(event.data);
    announce(s);
    const first = last === null;
    last = s;
    came = performance.now();
    link(false);
    if (first) root.dataset.link = "up";
    if (!held) show(s);
    if (s.state !== "done") return;
    held = false;
    show(s);
    // Whether another run follows is told right behind the last snapshot.
    setTimeout(() => { if (!more && last.state === "done") source.close() }, 200);
  }

  function listen() {
    source = new EventSource("/events");
    more = false;
    source.addEventListener("snapshot", on_snapshot);
    source.addEventListener("more", () => { more = true; say("told", "Another suite follows at this address.") });
    // A refusal (the run asks for its token again) is not tried again by the browser itself.
    source.onerror = () => { if (source.readyState === EventSource.CLOSED && (last === null || last.state !== "done" || more)) setTimeout(listen, 2000) };
  }

  // --- what people do ---
  async function send(form, button) {
    const body = new URLSearchParams(new FormData(form, button));
    try {
      const answer = await fetch(form.getAttribute("action"), {method: "POST", body, headers: {accept: "application/json"}});
      const told = await answer.json();
      return told.ok ? "" : "Refused: " + (told.error || "status " + answer.status) + ".";
    } catch {
      return "It did not arrive. From a shell: meshproof halt" + run_word() + " stops the run.";
    }
  }
  const ask_abort = () => {
    if ($("stop").hidden || $("dialog").open) return;
    say("dialog-s", "");
    $("dialog").showModal();
    $("no").focus();
  };
  for (const id of ["pause", "resume", "answer"])
    $(id).addEventListener("submit", async e => {
      e.preventDefault();
      say("told", await send(e.target, e.submitter) || {pause: "Pause is asked for.", resume: "Resume is asked for.", answer: "The answer is in."}[id]);
    });
  $("stop").addEventListener("submit", e => { e.preventDefault(); ask_abort() });
  $("sure").addEventListener("submit", async e => {
    e.preventDefault();
    say("dialog-s", "Asking the run to stop.");
    const refused = await send(e.target, e.submitter);
    say("dialog-s", refused);
    if (refused === "") { $("dialog").close(); say("told", STOPPING) }
  });
  $("no").addEventListener("click", () => $("dialog").close());

  function hold() {
    held = !held;
    say("held", held ? " The picture is held; space lets it go." : "");
    if (!held && last !== null) show(last);
  }
  const visible = id => { $(id).scrollIntoView(); $(id).focus({preventScroll: true}) };
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("dialog").open || e.target.closest("input")) return;
    const key = e.key.toLowerCase();
    if (key === "a") { e.preventDefault(); ask_abort() }
    else if (key === "p") { for (const id of ["pause", "resume"]) { const b = $(id).querySelector("button"); if (!$(id).hidden && !b.disabled) { $(id).requestSubmit(b); break } } }
    else if (key === "v") visible("h-v");
    else if (key === "f") visible("h-f");
    else if (key === "e") visible("log");
    else if (key === " " && e.target === document.body) { e.preventDefault(); hold() }
  });
  narrow.addEventListener("change", () => { if (last !== null) lanes(last) });
  $("resume").hidden = true;
  setInterval(tick, 100);
  listen();
})();
