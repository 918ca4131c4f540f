// What charts have besides their lines: faults, bad seconds, names, heat.

// Faults lie behind everything, with their names above where there is room.
// Of many the names would run into each other: those have the numbers that they
// have in the tables, and their names where a number leaves room for one.
const crowd = 8;
const crowded = () => data.bands && data.bands.length > crowd;
const bandsAt = (t) => (data.bands || []).filter((b) => b.from_s <= t && t < b.to_s);
const titleOf = (b) => (b.label === b.name || !b.label ? b.name : b.name + ": " + b.label);
const drawBands = (u, c) => {
	const ctx = u.ctx, { left, top, width, height } = u.bbox, px = devicePixelRatio, right = left + width;
	if (!timed(c) || !data.bands) return;
	ctx.save();
	ctx.beginPath();
	ctx.rect(left, top - 34 * px, width + 40 * px, height + 34 * px);
	ctx.clip();
	const seen = [];
	for (const b of data.bands) {
		const begin = u.valToPos(b.from_s, "x", true), from = Math.max(begin, left), to = Math.min(Math.max(u.valToPos(b.to_s, "x", true), begin + px), right);
		if (to < left || from >= right) continue;
		ctx.fillStyle = colour("band");
		ctx.fillRect(from, top, to - from, height);
		if (b.recovered_s != null) {
			ctx.fillStyle = colour("after");
			ctx.fillRect(to, top, Math.max(Math.min(u.valToPos(b.recovered_s, "x", true), right) - to, 0), height);
		}
		ctx.fillStyle = colour("band-ink");
		ctx.fillRect(from, top - 2 * px, to - from, 2 * px);
		seen.push({ b, from });
	}
	ctx.font = `600 ${11 * px}px ${getComputedStyle(document.body).fontFamily}`;
	ctx.textBaseline = "alphabetic";
	ctx.textAlign = "left";
	ctx.fillStyle = colour("band-ink");
	// A name ends before the next fault begins, unless it has a row of its own.
	const rows = crowded() ? [-Infinity] : [-Infinity, -Infinity];
	seen.sort((a, b) => a.from - b.from).forEach(({ b, from }, i) => {
		const next = i + 1 < seen.length ? seen[i + 1].from : right + 40 * px;
		const names = crowded() ? [b.number + " " + titleOf(b), b.number + " " + b.name, String(b.number)] : [titleOf(b), b.name];
		const fits = (name) => from + ctx.measureText(name).width + 6 * px < next;
		const name = names.find(fits) || names[names.length - 1], end = from + ctx.measureText(name).width;
		const row = rows.findIndex((taken) => taken <= from);
		if (row < 0 || end > right + 40 * px) return;
		rows[row] = end + (crowded() ? 4 : 8) * px;
		ctx.fillText(name, from, top - (6 + 13 * row) * px);
	});
	ctx.restore();
};

// Where layers cover a fault, its begin and its end show through.
// Of very many the edges would be all that is seen.
const drawEdges = (u, c) => {
	if (crowded()) return;
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
		// Names that begin alike are told apart by their ends.
		const alike = ends.length > 1 && ends.every((o) => o.name.slice(0, 8) === name.slice(0, 8) || o === e);
		for (let rest = name; rest.length > 3 && ctx.measureText(name).width > (u.labelled - 10) * px;) {
			rest = alike ? rest.slice(1) : rest.slice(0, -1);
			name = alike ? "…" + rest : rest + "…";
		}
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
