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
// On an axis of minutes every time is one of minutes.
const along = (s, longest) => longest < 120 || s <= 0 || s >= 7200 ? moment(s) : s < 60 ? trim(s.toFixed(1)) + " s" : Math.floor(s / 60) + " min" + (s % 60 ? " " + trim((s % 60).toFixed(1)) + " s" : "");
const percentile = (x) => {
	const p = 100 * (1 - Math.pow(10, -x));
	return trim(p.toFixed(Math.max(0, Math.ceil(x) - 1) + (Number.isInteger(x) ? 0 : 1))) + " %";
};
const abscissa = (c, x) => c.kind === "curve" ? "p" + percentile(x).replace(" %", "") : moment(x);
