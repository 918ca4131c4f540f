// A chart: what uPlot is told of it, its legend, its keys, and the time that all show.

const sums = (c) => { // of each layer and those below it
	let below = c.x.map(() => 0);
	return c.series.map((s) => (below = below.map((b, i) => b + (s.values[i] || 0))));
};
// A stack is drawn from its top layer down; its bars need an end.
const aligned = (c) => {
	switch (c.kind) {
		case "stack": return [c.x, ...sums(c).reverse()];
		case "heat": return [c.x, c.x.map(() => null)];
		default: return [c.x, ...c.series.map((s) => s.values)];
	}
};
const timed = (c) => c.kind !== "curve";

const swatch = (c, s) => {
	const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
	svg.setAttribute("viewBox", "0 0 22 10");
	if (c.kind === "stack") {
		const r = document.createElementNS(ns, "rect");
		for (const [k, v] of [["x", 6], ["width", 11], ["height", 10], ["rx", 2], ["fill", colour(s.role)]]) r.setAttribute(k, v);
		svg.append(r);
		return svg;
	}
	const l = document.createElementNS(ns, "line");
	for (const [k, v] of [["x2", 22], ["y1", 5], ["y2", 5], ["stroke", colour(s.role)], ["stroke-width", 2.5], ["stroke-dasharray", (strokes[s.role] || []).join(" ")]]) l.setAttribute(k, v);
	svg.append(l);
	return svg;
};
// The legend is the reading too: what the cursor stands on, else the names.
const legend = (it) => {
	const box = it.figure.querySelector(".legend"), c = it.data;
	box.replaceChildren();
	if (c.kind === "heat") {
		const key = document.createElement("span"), scale = document.createElement("i");
		key.className = "key-line";
		scale.className = "ramp";
		key.append("1", scale, grouped(c.heat.most) + (c.heat.most === 1 ? " sign-in" : " sign-ins") + " a field");
		box.append(key);
	}
	it.values = c.series.map((s) => {
		const key = document.createElement("span"), value = document.createElement("b"), name = document.createElement("span");
		key.className = "key-line";
		name.textContent = s.name;
		key.append(swatch(c, s), name, value);
		box.append(key);
		return value;
	});
	it.when = document.createElement("span");
	it.when.className = "when";
	box.append(it.when);
};
const read = (it, i) => {
	const c = it.data;
	it.values.forEach((b, n) => { b.textContent = i == null ? "" : show(c.unit, c.series[n].values[i]); });
	it.when.textContent = i == null || c.x[i] == null ? "" : when(c, c.x[i]);
};
// The time and the faults that are on then.
const when = (c, x) => {
	const on = timed(c) ? bandsAt(x).map((b) => (crowded() ? b.number + " " : "") + b.name) : [];
	return abscissa(c, x) + (on.length ? " (" + on.slice(0, 2).join(", ") + (on.length > 2 ? " and " + (on.length - 2) + " more" : "") + ")" : "");
};
const reading = (c, i) => when(c, c.x[i]) + ": " + (c.kind === "heat" ? "" : c.series.map((s) => s.name + " " + show(c.unit, s.values[i])).join(", "));

const printed = () => root.hasAttribute("data-print");
const widthOf = (figure) => printed() ? (figure.parentElement.classList.contains("pair") ? 330 : 690) : Math.max(figure.clientWidth, 200);
const heightOf = (c, w) => printed() ? 190 : c.id === "response" ? Math.min(380, Math.max(260, w * 0.36)) : w > 700 ? 260 : 230;

// Of a logarithmic scale the decades, or twos and fives where those are few.
const decades = (u, splits) => {
	const { min, max } = u.scales.y, leads = max / min < 50 ? [1, 2, 5] : [1];
	return splits.map((v) => leads.includes(Number((v / Math.pow(10, Math.floor(Math.log10(v) + 1e-9))).toFixed(3))) ? v : null);
};
const ticks = (unit) => (u, splits) => splits.map((v) => v == null ? "" : show(unit, v, true));
const axisWidth = (u, values) => {
	if (!values) return 50;
	const least = u.width > 700 ? 72 : 0;
	u.ctx.font = u.axes[1].font[0];
	return Math.max(least, Math.ceil(Math.max(...values.map((v) => u.ctx.measureText(v).width)) / devicePixelRatio) + 14);
};

let range = null; // of time that all charts show; null is all of it
let zooming = false;
const whole = () => [data.from_s || 0, Math.max(data.duration_s || 0, ...data.charts.filter((c) => timed(c) && c.x.length).map((c) => c.x[c.x.length - 1] + (c.step || 0)), 1e-3)];
const zoom = (to) => {
	range = to;
	zooming = true;
	for (const it of Object.values(charts)) if (it.u && timed(it.data)) {
		const [min, max] = range || whole();
		it.u.setScale("x", { min, max });
	}
	zooming = false;
};

const options = (it) => {
	const c = it.data, w = widthOf(it.figure), stacked = c.kind === "stack";
	const font = "12px " + getComputedStyle(document.body).fontFamily;
	const axis = { stroke: colour("dim"), font, grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1, size: 4 } };
	const named = !stacked && c.kind !== "heat" && w > 520 && c.series.length > 1 && c.series.length <= 13;
	// Charts of the whole width have their plots one below the other.
	const lines = Math.max(named ? Math.min(120, 18 + 7.2 * Math.max(...c.series.map((s) => s.name.length))) : 12, w > 700 ? 58 : 12);
	const drawn = stacked ? [...c.series].reverse() : c.series;
	const step = stacked ? uPlot.paths.bars({ size: [1, Infinity], align: 1, gap: 0 }) : undefined;
	const value = (u, min, max) => {
		if (c.kind === "heat") return [cut(c.heat.bounds_ns[0], -1), cut(c.heat.bounds_ns[c.heat.bounds_ns.length - 1], 1)];
		if (stacked && c.unit === "ratio") return [0, 1];
		if (min == null) return c.log ? [1e6, 1e9] : [0, 1];
		// The decades around, cut to twos and fives, so that the plot is used.
		if (c.log) return cut(min, -1) < cut(max, 1) ? [cut(min, -1), cut(max, 1)] : [cut(min * 0.99, -1), cut(max * 1.01, 1)];
		return [0, max > 0 ? max * 1.06 : 1];
	};
	return {
		named, width: w, height: heightOf(c, w), padding: [timed(c) && data.bands && data.bands.length ? (crowded() ? 21 : 34) : 10, lines, 0, 0],
		cursor: {
			sync: timed(c) ? { key: "time", scales: ["x", null], setSeries: false } : undefined,
			drag: { x: true, y: false, setScale: true, dist: 5 }, y: false,
			points: stacked || c.kind === "heat" ? { show: false } : { size: 7 },
			dataIdx: stacked || c.kind === "heat" ? (u, n, i, x) => { // a bar begins at its x
				let at = i;
				while (at > 0 && c.x[at] > x) at--;
				return at;
			} : undefined,
		},
		legend: { show: false },
		scales: { x: { time: false, range: (u, min, max) => timed(c) ? range || whole() : c.kind === "curve" && !zooming && min === c.x[0] ? [0, c.x[c.x.length - 1]] : [min, max] }, y: { distr: c.log ? 3 : 1, log: 10, range: value } },
		axes: [
			{ ...axis, grid: { ...axis.grid, show: c.kind === "curve" }, space: w < 500 ? 64 : 80, size: 30,
				values: (u, splits) => splits.map((v) => c.kind === "curve" ? percentile(v) : along(v, u.scales.x.max)),
				...(c.kind === "curve" ? { splits: (u) => { const l = []; for (let i = 0; i <= u.scales.x.max; i++) l.push(i); return l; } } : { incrs: [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] }) },
			{ ...axis, values: ticks(c.unit), ...(c.log ? { filter: decades, grid: { ...axis.grid, filter: decades }, ticks: { ...axis.ticks, filter: decades } } : {}), size: axisWidth, space: 34,
				...(c.unit === "bytes" ? { incrs: [...Array(40).keys()].map((i) => 2 ** i) } : {}) },
		],
		series: [{}, ...(c.kind === "heat" ? [{ show: true, stroke: "transparent" }] : drawn.map((s) => ({
			label: s.name, stroke: stacked ? undefined : colour(s.role), width: stacked ? 0 : weights[s.role] || 1.75,
			dash: stacked ? undefined : strokes[s.role], fill: stacked ? colour(s.role) : undefined,
			paths: step, points: { show: !stacked && c.x.length === 1, size: 8, fill: colour(s.role) }, spanGaps: c.kind === "curve",
		})))],
		hooks: {
			drawClear: [(u) => drawBands(u, it.data)],
			drawAxes: [(u) => drawHeat(u, it.data)],
			draw: [(u) => { if (stacked) drawEdges(u, it.data); drawBad(u, it.data); drawLabels(u, it.data); }],
			setCursor: [(u) => read(it, u.cursor.idx == null || u.cursor.left < 0 ? null : stacked ? barAt(it.data, u.posToVal(u.cursor.left, "x"), u.cursor.idx) : u.cursor.idx)],
			setScale: [(u, key) => {
				if (key !== "x" || zooming || !timed(c)) return;
				const { min, max } = u.scales.x, [from, to] = range || whole();
				if (min !== from || max !== to) zoom([min, max]);
			}],
		},
	};
};
const cut = (v, towards) => {
	const decade = Math.pow(10, Math.floor(Math.log10(v)));
	const steps = [1, 2, 5, 10].map((s) => s * decade);
	return towards < 0 ? steps.filter((s) => s <= v).pop() || decade : steps.find((s) => s >= v) || 10 * decade;
};
const barAt = (c, x, near) => {
	let i = near;
	while (i > 0 && c.x[i] > x) i--;
	return i;
};

const draw = (c) => {
	const figure = document.getElementById("chart-" + c.id);
	if (!figure) return;
	const it = charts[c.id] || (charts[c.id] = { figure });
	it.data = c;
	figure.querySelector(".says").textContent = c.missing || c.says;
	figure.querySelector(".chart-note").textContent = c.note || "";
	const box = figure.querySelector(".plot"), empty = !!c.missing || !c.x.length;
	box.hidden = empty;
	figure.querySelector("details.data").hidden = empty;
	if (it.u) it.u.destroy();
	it.u = null;
	box.replaceChildren();
	if (empty) {
		figure.querySelector(".legend").replaceChildren();
		return;
	}
	legend(it);
	const o = options(it);
	it.u = new uPlot(o, aligned(c), (u, init) => {
		u.labelled = o.named ? o.padding[1] : 0;
		box.append(u.root);
		init();
	});
	u2keys(it, box);
};
const u2keys = (it, box) => {
	if (it.keyed) return;
	it.keyed = true;
	it.at = 0;
	box.addEventListener("keydown", (e) => {
		const { u, data: c } = it, last = c.x.length - 1;
		if (!u || e.ctrlKey || e.metaKey || e.altKey) return;
		const { min, max } = u.scales.x, mid = c.x[it.at];
		switch (e.key) {
			case "ArrowRight": it.at = Math.min(it.at + (e.shiftKey ? 10 : 1), last); break;
			case "ArrowLeft": it.at = Math.max(it.at - (e.shiftKey ? 10 : 1), 0); break;
			case "Home": it.at = 0; break;
			case "End": it.at = last; break;
			case "+": case "=": if (timed(c)) zoom([Math.max(mid - (max - min) / 4, whole()[0]), mid + (max - min) / 4]); break;
			case "-": if (timed(c)) { const [a, b] = whole(), r = [Math.max(mid - (max - min), a), Math.min(mid + (max - min), b)]; zoom(r[0] <= a && r[1] >= b ? null : r); } break;
			case "0": case "Escape": if (timed(c)) zoom(null); break;
			default: return;
		}
		e.preventDefault();
		u.setCursor({ left: u.valToPos(c.x[it.at] + (c.kind === "stack" || c.kind === "heat" ? (c.step || 0) / 2 : 0), "x"), top: u.over.clientHeight / 2 }, true, true);
		document.getElementById("spoken").textContent = reading(c, it.at);
	});
	box.addEventListener("dblclick", () => { if (timed(it.data)) zoom(null); });
};
