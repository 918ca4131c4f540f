"use strict";
// Draws the charts of a report page from its block of JSON (page.Data), and
// follows a run that goes on. It writes text as text, never as HTML, but for
// the parts of an update, which the page's own server rendered and escaped.
(() => {
	const root = document.documentElement;
	let data = JSON.parse(document.getElementById("data").textContent);
	const charts = {}; // by id: {u, data, figure}
	window.ptabench = { charts, get data() { return data; } };

	// Colours are the style sheet's, as the browser resolves them now: light,
	// dark or paper.
	const probe = document.createElement("i");
	probe.className = "hidden";
	probe.setAttribute("aria-hidden", "true");
	document.body.append(probe);
	let colours = {};
	const colour = (name) => {
		if (!colours[name]) {
			probe.style.color = "var(--" + name + ")";
			colours[name] = getComputedStyle(probe).color;
		}
		return colours[name];
	};
	const faded = (c, a) => c.replace(/^rgb\(([^)]+)\)$/, (_, v) => "rgba(" + v + "," + a + ")");

	// Not only by colour: lines differ in their strokes too.
	const strokes = { max: [2, 3], p95: [7, 3], service: [8, 4], lag: [2, 3], harness: [8, 3, 2, 3], others: [1, 3],
		"connector-1": [8, 4], "connector-2": [2, 3], "connector-3": [8, 3, 2, 3], "connector-4": [14, 4], "connector-5": [4, 2], "connector-6": [1, 2], "connector-7": [10, 2, 2, 2, 2, 2],
		"run-1": [8, 4], "run-2": [2, 3], "run-3": [8, 3, 2, 3], "run-4": [14, 4], "run-5": [4, 2] };
	const weights = { p99: 2.25, p50: 2, max: 1.25, response: 2.25 };

	// Units. Three significant digits, as in every text of a run.
	const digits = (v) => v < 9.995 ? v.toFixed(2) : v < 99.95 ? v.toFixed(1) : v.toFixed(0);
	const trim = (s) => s.includes(".") ? s.replace(/\.?0+$/, "") : s;
	const grouped = (v) => Math.round(v).toString().replace(/\B(?=(\d{3})+$)/g, ",");
	const duration = (ns, exact) => {
		if (ns < 0) return "-" + duration(-ns, exact);
		if (ns < 1000) return Math.round(ns) + " ns";
		for (const [unit, size, end] of [["µs", 1e3, 999.5], ["ms", 1e6, 999.5], ["s", 1e9, 119.5]]) {
			const v = ns / size;
			if (v < end) return (exact ? trim(digits(v)) : digits(v)) + " " + unit;
		}
		const s = Math.round(ns / 1e9);
		if (s < 7200) return Math.floor(s / 60) + " min" + (exact && s % 60 === 0 ? "" : " " + s % 60 + " s");
		return Math.floor(s / 3600) + " h" + (exact && s % 3600 < 60 ? "" : " " + Math.floor(s % 3600 / 60) + " min");
	};
	const bytes = (v) => {
		for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
			if (v < 999.5 || unit === "TiB") return (unit === "B" ? Math.round(v) : trim(digits(v))) + " " + unit;
			v /= 1024;
		}
	};
	const formats = {
		ns: duration,
		per_s: (v) => (v >= 999.5 ? grouped(v) : trim(digits(v))) + "/s",
		ratio: (v) => trim((100 * v).toFixed(1)) + " %",
		count: (v) => v >= 999.5 ? grouped(v) : trim(digits(v)),
		bytes,
		cores: (v) => trim(v.toFixed(2)) + (v === 1 ? " core" : " cores"),
	};
	const show = (unit, v, exact) => v == null ? "–" : formats[unit](v, exact);
	const moment = (s) => s === 0 ? "0 s" : duration(Math.round(s * 1e9), true);
	const percentile = (x) => {
		const p = 100 * (1 - Math.pow(10, -x));
		return trim(p.toFixed(Math.max(0, Math.ceil(x) - 1) + (Number.isInteger(x) ? 0 : 1))) + " %";
	};
	const abscissa = (c, x) => c.kind === "curve" ? "p" + percentile(x).replace(" %", "") : moment(x);

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

	const overlaps = (spans, from, to) => spans.some(([a, b]) => from < b && to > a);

	// Faults lie behind everything, with their names above where there is room.
	const drawBands = (u, c) => {
		const ctx = u.ctx, { left, top, width, height } = u.bbox, px = devicePixelRatio;
		if (!timed(c) || !data.bands) return;
		ctx.save();
		ctx.beginPath();
		ctx.rect(left, top - 34 * px, width + 40 * px, height + 34 * px);
		ctx.clip();
		ctx.font = `600 ${11 * px}px ${getComputedStyle(document.body).fontFamily}`;
		ctx.textBaseline = "alphabetic";
		ctx.textAlign = "left";
		const rows = [[], []];
		for (const b of data.bands) {
			const from = Math.max(u.valToPos(b.from_s, "x", true), left), to = Math.min(Math.max(u.valToPos(b.to_s, "x", true), from + px), left + width);
			if (to < left || from >= left + width) continue;
			ctx.fillStyle = colour("band");
			ctx.fillRect(from, top, to - from, height);
			if (b.recovered_s != null) {
				ctx.fillStyle = colour("after");
				ctx.fillRect(to, top, Math.max(Math.min(u.valToPos(b.recovered_s, "x", true), left + width) - to, 0), height);
			}
			ctx.fillStyle = colour("band-ink");
			ctx.fillRect(from, top - 2 * px, to - from, 2 * px);
			const at = Math.max(from, left);
			// In full where that does not run into the next fault.
			const next = Math.min(...data.bands.filter((o) => o.from_s > b.from_s).map((o) => u.valToPos(o.from_s, "x", true)), left + width);
			const full = b.label === b.name || !b.label ? b.name : b.name + ": " + b.label;
			const label = at + ctx.measureText(full).width < next - 6 * px ? full : b.name;
			const wide = ctx.measureText(label).width;
			const row = rows.findIndex((spans) => !overlaps(spans, at, at + wide + 8 * px));
			if (row < 0 || at + wide > left + width + 40 * px) continue;
			rows[row].push([at, at + wide + 8 * px]);
			ctx.fillText(label, at, top - (6 + 13 * row) * px);
		}
		ctx.restore();
	};

	// Where layers cover a fault, its begin and its end show through.
	const drawEdges = (u, c) => {
		const ctx = u.ctx, { left, top, width, height } = u.bbox, px = devicePixelRatio;
		ctx.save();
		ctx.fillStyle = colour("paper");
		for (const b of data.bands || []) for (const t of [b.from_s, b.to_s]) {
			const at = u.valToPos(t, "x", true);
			if (timed(c) && at >= left && at <= left + width) for (let y = top; y < top + height; y += 5 * px) ctx.fillRect(at - px / 2, y, 1.5 * px, 3 * px);
		}
		ctx.restore();
	};
	// Seconds in which too many sign-ins came to nothing, along the axis.
	const drawBad = (u, c) => {
		const ctx = u.ctx, { left, top, width, height } = u.bbox, px = devicePixelRatio;
		if (!data.bad_s || c.id !== "response" && c.id !== "outcomes") return;
		ctx.save();
		ctx.fillStyle = colour("failed");
		for (const s of data.bad_s) {
			const from = Math.max(u.valToPos(s, "x", true), left), to = Math.min(u.valToPos(s + 1, "x", true), left + width);
			if (to > from) ctx.fillRect(from, top + height - 5 * px, Math.max(to - from, px), 5 * px);
		}
		ctx.restore();
	};

	// Names stand at the ends of their lines.
	const drawLabels = (u, c) => {
		if (c.kind === "heat" || c.kind === "stack" || !u.labelled) return;
		const ctx = u.ctx, px = devicePixelRatio, { left, top, width, height } = u.bbox;
		const ends = [];
		u.series.forEach((s, i) => {
			if (i === 0) return;
			const values = u.data[i];
			for (let j = values.length - 1; j >= 0; j--) {
				if (values[j] == null || u.data[0][j] > u.scales.x.max) continue;
				if (u.data[0][j] < u.scales.x.min) break;
				ends.push({ y: u.valToPos(values[j], "y", true), name: s.label, role: c.series[i - 1].role });
				break;
			}
		});
		ends.sort((a, b) => a.y - b.y);
		ctx.save();
		ctx.font = `600 ${12 * px}px ${getComputedStyle(document.body).fontFamily}`;
		ctx.textBaseline = "middle";
		ctx.textAlign = "left";
		let last = -Infinity;
		const gap = 14 * px;
		for (const e of ends) last = e.y = Math.max(Math.min(e.y, top + height), last + gap);
		for (let i = ends.length - 1, limit = top + height + 6 * px; i >= 0; i--, limit -= gap) ends[i].y = Math.min(ends[i].y, limit);
		for (const e of ends) {
			ctx.fillStyle = colour(e.role);
			let name = e.name;
			while (name.length > 3 && ctx.measureText(name).width > (u.labelled - 10) * px) name = name.slice(0, -2) + "…";
			ctx.fillText(name, left + width + 7 * px, e.y);
		}
		ctx.restore();
	};

	const ramp = () => {
		const stops = [0, 1, 2, 3, 4].map((i) => colour("heat-" + i).match(/[\d.]+/g).map(Number));
		return (v) => {
			const at = Math.min(v, 0.9999) * 4, i = Math.floor(at), t = at - i;
			return "rgb(" + stops[i].map((s, k) => Math.round(s + (stops[i + 1][k] - s) * t)).join(",") + ")";
		};
	};
	const drawHeat = (u, c) => {
		if (c.kind !== "heat") return;
		const { ctx } = u, { left, top, width, height } = u.bbox, h = c.heat, fill = ramp(), most = Math.log(h.most + 1);
		const tops = h.bounds_ns.map((b) => u.valToPos(b, "y", true));
		ctx.save();
		ctx.beginPath();
		ctx.rect(left, top, width, height);
		ctx.clip();
		for (let i = 0; i < h.cells.length; i += 3) {
			const x = c.x[h.cells[i]], row = h.cells[i + 1];
			const from = Math.round(u.valToPos(x, "x", true)), to = Math.round(u.valToPos(x + c.step, "x", true));
			if (to < left || from > left + width) continue;
			const low = Math.round(tops[row]), high = Math.round(tops[row + 1]);
			ctx.fillStyle = fill(Math.log(h.cells[i + 2] + 1) / most);
			ctx.fillRect(from, high, Math.max(to - from, 1), Math.max(low - high, 1));
		}
		ctx.restore();
	};

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
		it.when.textContent = i == null || c.x[i] == null ? "" : abscissa(c, c.x[i]);
	};
	const reading = (c, i) => abscissa(c, c.x[i]) + ": " + (c.kind === "heat" ? "" : c.series.map((s) => s.name + " " + show(c.unit, s.values[i])).join(", "));

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
			if (c.log) return [cut(min, -1), cut(max, 1)];
			return [0, max > 0 ? max * 1.06 : 1];
		};
		return {
			named, width: w, height: heightOf(c, w), padding: [timed(c) && data.bands && data.bands.length ? 34 : 10, lines, 0, 0],
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
					values: (u, splits) => splits.map((v) => c.kind === "curve" ? percentile(v) : moment(v)),
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

	// A table is made when somebody opens it: a page of an hour would be twice
	// as long with all of them in it.
	const table = (c) => {
		const wide = document.createElement("div"), t = document.createElement("table"), head = t.createTHead().insertRow(), body = t.createTBody();
		wide.className = "wide rows";
		wide.tabIndex = 0;
		wide.setAttribute("role", "region");
		wide.setAttribute("aria-label", c.title + ", table");
		const heading = (row, text, scope, n) => {
			const th = document.createElement("th");
			th.scope = scope;
			th.textContent = text;
			if (n) th.className = "n";
			row.append(th);
		};
		const cell = (row, text) => { const td = row.insertCell(); td.textContent = text; td.className = "n"; };
		heading(head, c.kind === "curve" ? "percentile" : "time", "col", true);
		if (c.kind === "heat") {
			for (const name of ["response from", "to", "sign-ins"]) heading(head, name, "col", true);
			for (let i = 0; i < c.heat.cells.length && i < 6000; i += 3) {
				const row = body.insertRow(), [x, y, n] = c.heat.cells.slice(i, i + 3);
				heading(row, moment(c.x[x]), "row", true);
				cell(row, duration(c.heat.bounds_ns[y]));
				cell(row, duration(c.heat.bounds_ns[y + 1]));
				cell(row, grouped(n));
			}
		} else {
			for (const s of c.series) heading(head, s.name, "col", true);
			c.x.forEach((x, i) => {
				const row = body.insertRow();
				heading(row, c.kind === "curve" ? percentile(x) : moment(x), "row", true);
				for (const s of c.series) cell(row, show(c.unit, s.values[i]));
			});
		}
		wide.append(t);
		return wide;
	};
	for (const details of document.querySelectorAll("details.data")) {
		details.addEventListener("toggle", () => {
			const rows = details.querySelector(".rows");
			if (rows) rows.remove();
			const it = charts[details.closest("figure").dataset.chart];
			if (details.open && it) details.append(table(it.data));
		});
	}

	const drawAll = () => {
		colours = {};
		for (const c of data.charts) draw(c);
	};
	// Charts out of sight are drawn when they come near it: what is seen first
	// is there at once.
	const begin = () => {
		const waiting = new Map(data.charts.map((c) => [document.getElementById("chart-" + c.id), c]));
		const seen = new IntersectionObserver((list) => {
			for (const entry of list) if (entry.isIntersecting && waiting.has(entry.target)) {
				const c = waiting.get(entry.target);
				waiting.delete(entry.target);
				seen.unobserve(entry.target);
				if (!charts[c.id]) draw(data.charts.find((d) => d.id === c.id) || c);
			}
		}, { rootMargin: "200px" });
		for (const [figure] of waiting) if (figure) seen.observe(figure);
		requestAnimationFrame(() => requestAnimationFrame(() => {
			root.dataset.ready = "true";
			performance.mark("ready");
			// The rest follows when nothing else is to be done.
			const rest = () => {
				const next = [...waiting].find(([figure]) => figure);
				if (!next) { root.dataset.drawn = "true"; return; }
				waiting.delete(next[0]);
				seen.unobserve(next[0]);
				if (!charts[next[1].id]) draw(data.charts.find((d) => d.id === next[1].id) || next[1]);
				(window.requestIdleCallback || setTimeout)(rest);
			};
			(window.requestIdleCallback || setTimeout)(rest);
		}));
	};

	const resize = () => {
		for (const it of Object.values(charts)) if (it.u) {
			const w = widthOf(it.figure);
			if (w !== it.u.width) draw(it.data);
		}
	};
	let pending = 0;
	addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(resize); });
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
	addEventListener("beforeprint", () => { root.setAttribute("data-print", ""); drawAll(); });
	addEventListener("afterprint", () => { root.removeAttribute("data-print"); drawAll(); });
	begin();

	// A run that goes on.
	if (!data.live) return;
	root.dataset.updates = "0";
	const parser = new DOMParser(), last = {};
	const stop = document.getElementById("stop");
	if (stop) stop.addEventListener("click", () => {
		stop.disabled = true;
		stop.textContent = "Stopping …";
		fetch(data.live.stop, { method: "POST" }).then((r) => { if (!r.ok) throw new Error(); }).catch(() => {
			stop.disabled = false;
			stop.textContent = "Stop (not reached)";
		});
	});
	const open = (element) => [...element.querySelectorAll("details")].map((d) => d.open);
	const events = new EventSource(data.live.events);
	let failed = 0;
	events.addEventListener("error", () => { // it asks again by itself, once a second
		if (events.readyState !== EventSource.CLOSED && ++failed < 10) return;
		events.close();
		if (stop) stop.remove();
		const word = document.querySelector("#part-verdict .word");
		if (word) word.textContent = "connection lost: this is how far it had come";
	});
	events.addEventListener("update", (e) => {
		failed = 0;
		const update = JSON.parse(e.data);
		data = update.data;
		for (const [name, html] of Object.entries(update.parts)) {
			const element = document.getElementById("part-" + name);
			if (!element || last[name] === html) continue;
			last[name] = html;
			const was = open(element);
			element.replaceChildren(...parser.parseFromString(html, "text/html").body.childNodes);
			element.querySelectorAll("details").forEach((d, i) => { d.open = !!was[i]; });
		}
		for (const c of data.charts) {
			const it = charts[c.id];
			const same = it && it.u && !c.missing && c.series.length === it.data.series.length && c.series.every((s, i) => s.name === it.data.series[i].name);
			if (!same) {
				draw(c);
				continue;
			}
			it.data = c;
			it.figure.querySelector(".says").textContent = c.says;
			const [min, max] = timed(c) ? range || whole() : [0, c.x[c.x.length - 1]];
			zooming = true;
			it.u.setData(aligned(c), false);
			it.u.setScale("x", { min, max });
			zooming = false;
		}
		root.dataset.updates = String(Number(root.dataset.updates) + 1);
		if (data.live && data.live.done) {
			// What came is the report. The server ends with the run's command, so
			// asking it again could only lose the page.
			events.close();
			if (stop) stop.remove();
			root.dataset.done = "true";
		}
	});
})();
