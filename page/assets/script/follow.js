// Follows a run that goes on.
const follow = () => {
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
			it.figure.querySelector(".chart-note").textContent = c.note || "";
			const [min, max] = timed(c) ? range || whole() : [0, c.x[c.x.length - 1]];
			zooming = true;
			it.u.setData(aligned(c), false);
			it.u.setScale("x", { min, max });
			zooming = false;
		}
		document.title = data.title + ": " + (data.live && !data.live.done ? data.live.phase : data.verdict);
		root.dataset.updates = String(Number(root.dataset.updates) + 1);
		if (data.live && data.live.done) {
			// What came is the report. The server ends with the run's command, so
			// asking it again could only lose the page.
			events.close();
			if (stop) stop.remove();
			root.dataset.done = "true";
		}
	});
};
