"use strict";
const runs = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SHAPES = ["circle", "square", "triangle", "diamond"];
const color = (index) => `var(--c${index % 6})`;
const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
const several = runs.length > 1;
const partColor = (row) => color(2 + (row % 4)); /* colours 0 and 1 are those of schemes and models */
let chosen = { run: 0, scheme: runs[0].points.find((point) => point.models.includes(runs[0].summary.models[0]?.target))?.scheme ?? runs[0].knee };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function marker(shape, x, y, size, attributes) {
  const s = size;
  const paths = {
    square: `M${x - s},${y - s}h${2 * s}v${2 * s}h${-2 * s}z`,
    triangle: `M${x},${y - 1.2 * s}L${x + 1.2 * s},${y + s}L${x - 1.2 * s},${y + s}z`,
    diamond: `M${x},${y - 1.4 * s}L${x + 1.4 * s},${y}L${x},${y + 1.4 * s}L${x - 1.4 * s},${y}z`,
  };
  return !paths[shape] ? drawn("circle", { cx: x, cy: y, r: s, ...attributes }) : drawn("path", { d: paths[shape], ...attributes });
}

/* Round numbers between the smallest and the largest value, at most about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-6; value += step) found.push(value);
  return found;
}

/* A chart with axes. `draw` receives the functions that map values to places in the drawing. */
function chart(host, { xs, ys, xLabel, yLabel, xText = String, yText = String, label, ratio = 0.6 }, draw) {
  const width = Math.max(260, host.clientWidth), height = Math.max(200, ratio * width);
  const left = 62, right = 14, top = 14, bottom = 46;
  const widened = (values) => {
    const low = Math.min(...extremes(values)), high = Math.max(...extremes(values));
    const margin = (high - low || Math.abs(high) || 1) * 0.04;
    return [low - margin, high + margin];
  };
  const [x0, x1] = widened(xs), [y0, y1] = widened(ys);
  const x = (value) => left + ((value - x0) / (x1 - x0)) * (width - left - right);
  const y = (value) => height - bottom - ((value - y0) / (y1 - y0)) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
  for (const value of ticks(x0, x1, Math.max(4, width / 90))) {
    svg.append(drawn("line", { class: "axis", x1: x(value), x2: x(value), y1: top, y2: height - bottom }));
    svg.append(drawn("text", { x: x(value), y: height - bottom + 18, "text-anchor": "middle" }, xText(value)));
  }
  for (const value of ticks(y0, y1, height / 60)) {
    svg.append(drawn("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(drawn("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, yText(value)));
  }
  svg.append(drawn("text", { class: "strong", x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, xLabel));
  const middle = (top + height - bottom) / 2;
  svg.append(drawn("text", { class: "strong", x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }, yLabel));
  draw(svg, x, y);
  host.replaceChildren(svg);
}

/* The smallest and the largest value, without spreading a long list into arguments. */
function extremes(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

const number = (value) => Number(value.toPrecision(3)).toString();

function costText(name, point) {
  return ["macs", "params"].includes(name) ? percent(point.shares[name]) : `${number(point.costs[name])} (${percent(point.shares[name])})`;
}

const costTitle = (name) => ({ macs: "MACs", params: "parameters" })[name] ?? name;

function drawFront() {
  const cost = byId("front-x").value, up = byId("front-y").value;
  const all = runs.flatMap((run, index) => run.points.map((point) => ({ point, index })));
  const quality = runs[0].summary.quality;
  chart(byId("front"), {
    xs: all.map(({ point }) => point.shares[cost]), ys: all.map(({ point }) => point[up]),
    xLabel: `${costTitle(cost)}, share of the dense network's`, yLabel: up === "accuracy" ? quality : "loss",
    xText: (value) => percent(value, 0), yText: up === "accuracy" ? (value) => percent(value, 0) : number,
    label: "Front: use the arrow keys to move between points",
  }, (svg, x, y) => {
    const rank = ({ point, index }) => point.models.length ? 2 : Number(point.on_front || point.scheme === runs[index].knee);
    all.sort((a, b) => a.point.shares[cost] - b.point.shares[cost]).forEach((each, place) => { each.place = place; });
    for (const each of all.toSorted((a, b) => rank(a) - rank(b) || a.place - b.place)) { /* models lie on top */
      const { point, index, place } = each, run = runs[index];
      if (point.scheme === run.knee) svg.append(marker(SHAPES[index % 4], x(point.shares[cost]), y(point[up]), 10, { class: "knee" }));
      const made = marker(SHAPES[index % 4], x(point.shares[cost]), y(point[up]), point.models.length ? 7 : 4, {
        fill: color(index + (point.models.length ? 1 : 0)), "data-place": place,
        class: `point${point.on_front ? "" : " beaten"}`, role: "button", tabindex: -1,
        "aria-label": `${several ? `${run.name}, ` : ""}scheme ${point.scheme}: ${quality} ${percent(point.accuracy)}, ${costTitle(cost)} ${percent(point.shares[cost])}${point.models.length ? `, model ${point.models.join(", ")}` : ""}${point.scheme === run.knee ? ", knee" : ""}`,
      });
      made.dataset.run = index;
      made.dataset.scheme = point.scheme;
      made.append(drawn("title", {}, made.getAttribute("aria-label")));
      svg.append(made);
      const said = [...point.models, ...(point.scheme === run.knee ? ["knee"] : [])].join(", ");
      if (said && all.length < 400) {
        const end = x(point.shares[cost]) > 0.75 * svg.viewBox.baseVal.width;
        svg.append(drawn("text", { class: "strong", x: x(point.shares[cost]) + (end ? -11 : 11), y: y(point[up]) + (up === "accuracy" ? 15 : -9), "text-anchor": end ? "end" : "start" }, said));
      }
    }
  });
  mark();
}

function mark(focus = false) {
  for (const made of byId("front").querySelectorAll(".point")) {
    const is = Number(made.dataset.run) === chosen.run && Number(made.dataset.scheme) === chosen.scheme;
    made.classList.toggle("chosen", is);
    made.setAttribute("tabindex", is ? 0 : -1);
    made.setAttribute("aria-pressed", is);
    if (is && focus) made.focus();
  }
}

function choose(run, scheme, focus) {
  chosen = { run, scheme };
  mark(focus);
  showScheme();
  showLayers();
  const [target] = chosenPoint().models;
  if (target) {
    byId("lost-model").value = JSON.stringify([run, target]);
    showLost();
  }
}

const chosenPoint = () => runs[chosen.run].points.find((point) => point.scheme === chosen.scheme);

/* The run directory: as it was named, or where this file lies, if it lies in it, or its usual place. */
function directory(run) {
  if (run.path) return run.path;
  const path = location.protocol === "file:" ? decodeURIComponent(location.pathname) : "";
  return path.endsWith(`/${run.name}/report.html`) ? path.slice(0, -"/report.html".length) : `runs/${run.name}`;
}

const quoted = (path) => /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

function showScheme() {
  const run = runs[chosen.run], point = chosenPoint(), quality = run.summary.quality;
  const pick = `emopms pick ${quoted(directory(run))}`, command = `${pick} --index ${point.scheme}`;
  const rows = [
    ...Object.keys(point.costs).map((name) => [costTitle(name), costText(name, point)]),
    [`${quality}, validation images`, percent(point.accuracy, 2)], ["loss, validation images", number(point.measured_loss)], ["loss that the search predicted", number(point.predicted_loss)],
    ...run.summary.models.filter((model) => point.models.includes(model.target)).map((model) => [`${quality} of ${model.target}, fine-tuned, test images`, percent(model.accuracy, 2)]),
  ];
  const notes = [];
  if (point.scheme === run.knee) notes.push("the knee");
  if (point.scheme === run.dense) notes.push("the dense network");
  if (!point.on_front) notes.push(`not on the front: another point has no more loss and no more ${run.costs.map(costTitle).join(" and ")}`);
  const list = element("dl");
  for (const [name, value] of rows) list.append(element("dt", {}, name), element("dd", {}, value));
  const code = element("code", { class: "command" }, command);
  const copy = element("button", { type: "button" }, "Copy the command");
  copy.addEventListener("click", async () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    try { await navigator.clipboard.writeText(command); copy.textContent = "Copied"; } catch { copy.textContent = "Selected: copy it with the keyboard"; }
  });
  byId("scheme").replaceChildren(
    element("h3", {}, `${several ? `${run.name}: ` : ""}scheme ${point.scheme}${notes.length ? ` (${notes.join("; ")})` : ""}`), list,
    ...(point.models.length ? [element("p", {}, "Its fine-tuned model is in ", ...point.models.flatMap((name, place) => [place ? ", " : "", element("code", {}, `models/${name}`)]), ".")] : []),
    element("p", {}, "Fine-tune and export this network:"), code, copy,
    element("p", { class: "quiet" }, "Or a network that is not in the figure, such as the best one with at most 40 % of the MACs, or the cheapest with 90 % accuracy before fine-tuning:"),
    element("code", { class: "command" }, `${pick} --macs 0.4`), element("code", { class: "command" }, `${pick} --accuracy 0.9`),
  );
}

function bar(host, name, value, parts) {
  const track = element("div", { class: "track" });
  for (const { share, fill, full, start = 0 } of parts) {
    const made = element("i", full ? { class: "full" } : {});
    made.style.width = `${100 * share}%`;
    made.style.left = `${100 * start}%`;
    if (fill) made.style.background = fill;
    track.append(made);
  }
  host.append(element("div", { class: "name" }, name), track, element("div", { class: "value" }, value));
}

function showLayers() {
  const run = runs[chosen.run], layers = run.summary.layers;
  const point = chosenPoint();
  byId("layers-of").textContent = `Output channels that scheme ${point.scheme}${point.models.length ? ` (${point.models.join(", ")})` : ""} keeps in each layer, in the order of the forward pass. The frame is the dense layer.`;
  const host = element("div", { class: "bars" }), widest = extremes(layers.map((layer) => layer.channels))[1];
  let part = "";
  layers.forEach((layer, index) => {
    if (layer.subnetwork !== part) host.append(element("div", { class: "head" }, `sub-network ${part = layer.subnetwork}`));
    const kept = point.widths[index];
    bar(host, layer.name, `${kept} of ${layer.channels}`, [{ share: layer.channels / widest, full: true }, { share: kept / widest, fill: partColor(Number.parseInt(part, 10) - 1 || 0) }]);
  });
  byId("layers").replaceChildren(host);
}

/* Bars from zero, which may go to both sides. */
function bars(host, rows, text) {
  const [low, high] = extremes([0, ...rows.map(([, value]) => value)]), span = high - low || 1;
  const made = element("div", { class: "bars" });
  rows.forEach(([name, value, fill]) => bar(made, name, text(value), [{ start: (Math.min(0, value) - low) / span, share: Math.abs(value) / span, fill }]));
  host.replaceChildren(made);
}

function showLost() {
  const [index, target] = JSON.parse(byId("lost-model").value), run = runs[index];
  const model = run.summary.models.find((each) => each.target === target);
  bars(byId("lost"), model.subnetworks.map((part, row) => [part.name === "boundaries" ? "boundaries" : `sub-network ${part.name}`, 100 * part.accuracy_lost, partColor(row)]), (value) => value.toFixed(2));
  bars(byId("stages-of-model"), [["dense", run.summary.dense.accuracy], ["pruned", model.accuracy_before_finetune], ["fine-tuned", model.accuracy]].map(([name, value]) => [name, value, color(index)]), (value) => percent(value, 2));
}

function legend(host, entries) {
  host.replaceChildren(...entries.map(([name, fill, shape]) => {
    const svg = drawn("svg", { width: 14, height: 14, "aria-hidden": "true" });
    svg.append(shape === "knee" ? marker("circle", 7, 7, 6, { class: "knee" }) : marker(shape, 7, 7, 5, { fill, class: shape === "beaten" ? "beaten" : "" }));
    return element("li", {}, svg, name);
  }));
}

/* What a search searches: `evolve/2` a sub-network, and `refine` the whole network. */
const searchTitle = (stage) => stage === "evolve/boundaries" ? "boundaries" : stage === "refine" ? "whole network (refine)" : stage.replace("evolve/", "sub-network ");

function drawHistory() {
  const lines = runs.flatMap((run, index) => run.searches.filter((search) => search.history.length).map((search, row) => ({ name: `${several ? `${run.name}, ` : ""}${searchTitle(search.name)}`, history: search.history, row, index })));
  if (!lines.length) return byId("history").replaceChildren(element("p", { class: "quiet" }, "This run did not store it."));
  const points = lines.flatMap((line) => line.history);
  chart(byId("history"), { xs: points.map(([count]) => count), ys: points.map(([, volume]) => volume), xLabel: "evaluated candidates", yLabel: "hypervolume", xText: number, yText: number, label: "Hypervolume of each search" }, (svg, x, y) => {
    for (const { history, row, index } of lines) {
      svg.append(drawn("polyline", { points: history.map(([count, volume]) => `${x(count)},${y(volume)}`).join(" "), fill: "none", stroke: partColor(row), "stroke-width": 2, "stroke-dasharray": ["", "6 4", "2 3"][index % 3] }));
      const [count, volume] = history.at(-1);
      svg.append(marker(SHAPES[row % 4], x(count), y(volume), 5, { fill: partColor(row) }));
    }
  });
  legend(byId("history-legend"), lines.map(({ name, row }) => [name, partColor(row), SHAPES[row % 4]]));
}

function drawPredicted() {
  const all = runs.flatMap((run, index) => run.points.map((point) => [point.predicted_loss, point.measured_loss, index]));
  const both = extremes(all.flatMap(([predicted, measured]) => [predicted, measured]));
  chart(byId("predicted"), { xs: all.map(([predicted]) => predicted), ys: all.map(([, measured]) => measured), xLabel: "predicted loss", yLabel: "measured loss", xText: number, yText: number, label: "Predicted and measured loss", ratio: 0.75 }, (svg, x, y) => {
    const [low, high] = [Math.max(both[0], extremes(all.map(([value]) => value))[0]), extremes(all.map(([value]) => value))[1]];
    svg.append(drawn("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), class: "equal", "stroke-dasharray": "5 4" }));
    for (const [predicted, measured, index] of all) svg.append(marker(SHAPES[index % 4], x(predicted), y(measured), 3.5, { fill: color(index), opacity: 0.8 }));
  });
}

function drawSubfronts() {
  const fronts = runs.flatMap((run) => run.searches.filter((search) => search.front.length).map((search) => [several ? `${run.name}, ${searchTitle(search.name)}` : searchTitle(search.name), search.front, run.costs[0]]));
  byId("subfronts").replaceChildren();
  fronts.forEach(([name, front, cost], row) => {
    const body = element("div");
    byId("subfronts").append(element("figure", {}, element("figcaption", {}, name), body));
    chart(body, { xs: front.map(([cost]) => cost), ys: front.map(([, lost]) => lost), xLabel: `${costTitle(cost)} kept`, yLabel: "loss added", xText: (value) => percent(value, 0), yText: number, label: `Front of ${name}`, ratio: 0.75 }, (svg, x, y) => {
      for (const [cost, lost] of front) svg.append(marker("circle", x(cost), y(lost), 3.5, { fill: partColor(row) }));
    });
  });
}

function drawTimes() {
  const host = element("div", { class: "bars" }), longest = extremes(runs.flatMap((run) => run.summary.stages.map((stage) => stage.seconds)))[1] || 1;
  runs.forEach((run, index) => {
    if (several) host.append(element("div", { class: "head" }, run.name));
    for (const stage of run.summary.stages) bar(host, stage.name, `${stage.seconds.toFixed(1)} s`, [{ share: stage.seconds / longest, fill: color(index) }]);
  });
  byId("times").replaceChildren(host);
}

function begin() {
  for (const name of Object.keys(runs[0].points[0].shares).filter((each) => runs.every((run) => each in run.points[0].shares))) byId("front-x").append(element("option", { value: name }, costTitle(name)));
  runs.forEach((run, index) => run.summary.models.forEach((model) => byId("lost-model").append(element("option", { value: JSON.stringify([index, model.target]) }, several ? `${run.name}: ${model.target}` : model.target))));
  byId("front-x").addEventListener("change", drawFront);
  byId("front-y").addEventListener("change", drawFront);
  byId("lost-model").addEventListener("change", showLost);
  byId("front").addEventListener("click", (event) => {
    const made = event.target.closest(".point");
    if (made) choose(Number(made.dataset.run), Number(made.dataset.scheme), true);
  });
  byId("front").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step && !["Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const points = [...byId("front").querySelectorAll(".point")].sort((a, b) => a.dataset.place - b.dataset.place), now = points.findIndex((made) => made.classList.contains("chosen"));
    const next = points[event.key === "Home" ? 0 : event.key === "End" ? points.length - 1 : Math.min(Math.max(now + step, 0), points.length - 1)];
    choose(Number(next.dataset.run), Number(next.dataset.scheme), true);
  });
  legend(byId("front-legend"), [
    ...runs.flatMap((run, index) => [[several ? run.name : "on the front", color(index), SHAPES[index % 4]], [`${several ? `${run.name}: ` : ""}model`, color(index + 1), SHAPES[index % 4]]]),
    ["not on the front", color(0), "beaten"], ["knee", "", "knee"],
  ]);
  showScheme();
  showLayers();
  showLost();
  drawTimes();
  drawCharts();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width !== innerWidth) drawCharts();
    width = innerWidth;
  });
}

function drawCharts() {
  drawFront();
  drawHistory();
  drawPredicted();
  drawSubfronts();
}

begin();
