// What begins and what draws anew: light and dark, paper, another width.

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
document.addEventListener("click", (e) => {
	const button = e.target.closest("[data-open]");
	if (!button) return;
	const all = document.querySelectorAll("#part-" + button.dataset.open + " details"), open = ![...all].every((d) => d.open);
	for (const d of all) d.open = open;
	button.textContent = open ? "Hide the comparisons" : "Show every comparison";
});
addEventListener("beforeprint", () => { root.setAttribute("data-print", ""); drawAll(); });
addEventListener("afterprint", () => { root.removeAttribute("data-print"); drawAll(); });
begin();
if (data.live) follow();
