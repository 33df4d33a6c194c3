// The report is whole without this script: it adds the filter of the claims and the timeline's crosshair. Text goes in by textContent only.
(function () {
  "use strict";
  var filter = document.querySelector(".flt"), status = document.getElementById("flt-s");
  var rows = Array.prototype.slice.call(document.querySelectorAll(".claims tbody tr"));
  if (filter) {
    filter.hidden = false;
    filter.addEventListener("click", function (event) {
      var button = event.target.closest("button"), shown = 0;
      if (!button) return;
      filter.querySelectorAll("button").forEach(function (each) { each.setAttribute("aria-pressed", String(each === button)); });
      rows.forEach(function (row) {
        row.hidden = button.dataset.f !== "" && row.dataset.v !== button.dataset.f;
        if (!row.hidden) shown += Number(row.dataset.n || 1);
      });
      status.textContent = shown + " shown";
    });
  }
  // A link to a claim that is folded, or filtered away, shows it.
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    var fold = target && target.closest("details"), row = target && target.closest(".claims tr");
    if (fold) fold.open = true;
    if (row && row.hidden) filter.querySelector("button").click();
    if (fold || row) target.scrollIntoView({ block: "center" });
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  var island = document.getElementById("data"), chart = document.getElementById("timeline-svg");
  var plot = chart && chart.querySelector(".plot");
  if (!island || !plot) return;
  var data = JSON.parse(island.textContent), count = data.requests.length, at = 0;
  var x = Number(plot.getAttribute("x")), y = Number(plot.getAttribute("y"));
  var width = Number(plot.getAttribute("width")), height = Number(plot.getAttribute("height"));
  var cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "l-cursor");
  chart.appendChild(cursor);
  var read = document.createElement("p"), box = chart.closest(".scroll") || chart;
  read.className = "ro m";
  read.setAttribute("role", "status");
  read.textContent = "Point at the timeline, or focus it and use the arrow keys: 1 s, Page: 30 s.";
  box.parentNode.insertBefore(read, box);

  function two(n) { return n < 10 ? "0" + n : String(n); }
  function clock(ms) { return two(Math.floor(ms / 60000)) + ":" + two(Math.floor(ms / 1000) % 60) + "." + String(Math.floor(ms) % 1000).padStart(3, "0"); }
  function show(bucket) {
    at = Math.max(0, Math.min(count - 1, bucket));
    var from = at * data.bucket_ms, place = x + Math.min(1, (from + data.bucket_ms / 2) / data.span_ms) * width;
    var phase = data.phases.filter(function (p) { return from + data.bucket_ms / 2 >= p[1] && from + data.bucket_ms / 2 < p[2]; })[0];
    cursor.setAttribute("d", "M" + place.toFixed(1) + " " + y + "v" + height);
    var words = [clock(from) + (phase ? " " + phase[0] : ""), data.good[at] + " of " + data.requests[at] + " good"];
    if (data.requests[at] > 0) words.push("slowest " + data.slowest_ms[at] + " ms");
    data.endpoints.forEach(function (e) { words.push(e.name + " " + e.tries[at] + (e.failed[at] ? " (" + e.failed[at] + " failed)" : "")); });
    read.textContent = words.join("  |  ");
  }
  chart.setAttribute("tabindex", "0");
  chart.addEventListener("pointermove", function (event) {
    var frame = chart.getBoundingClientRect(), view = chart.viewBox.baseVal.width;
    var inside = ((event.clientX - frame.left) / frame.width * view - x) / width;
    if (inside >= 0 && inside <= 1) show(Math.floor(inside * data.span_ms / data.bucket_ms));
  });
  chart.addEventListener("keydown", function (event) {
    var seconds = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
    if (!seconds || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    show(at + Math.sign(seconds) * Math.max(1, Math.round(Math.abs(seconds) * 1000 / data.bucket_ms)));
  });
})();
