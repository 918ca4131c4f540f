// The files of this directory are one script and share one scope, as the files
// of a Go package do: state, units, paint, chart, table, follow, start, in this
// order. It draws the charts of a page from its block of JSON (page.Data), and
// follows a run that goes on. It writes text as text, never as HTML, but for
// the parts of an update, which the page's own server rendered and escaped.

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

// Not only by colour: lines differ in their strokes too.
const strokes = { max: [2, 3], p95: [7, 3], service: [8, 4], lag: [2, 3], harness: [8, 3, 2, 3], others: [1, 3],
	"connector-1": [8, 4], "connector-2": [2, 3], "connector-3": [8, 3, 2, 3], "connector-4": [14, 4], "connector-5": [4, 2], "connector-6": [1, 2], "connector-7": [10, 2, 2, 2, 2, 2],
	"run-1": [8, 4], "run-2": [2, 3], "run-3": [8, 3, 2, 3], "run-4": [14, 4], "run-5": [4, 2] };
const weights = { p99: 2.25, p50: 2, max: 1.25, response: 2.25 };
