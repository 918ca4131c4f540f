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
