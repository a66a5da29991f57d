"use strict";
// The chart of the page at /instant/: how many messages came in each of the last 60 seconds, one bar a second.
function instantChart($) {
  const SECONDS = 60;
  const HEIGHT = 48;
  const counts = new Array(SECONDS).fill(0); // a ring: the count of second n is at n % SECONDS
  let second = Math.floor(Date.now() / 1000);
  const bars = counts.map((_, index) => bar(index));

  function bar(index) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    made.setAttribute("x", String(index * 4 + 0.5));
    made.setAttribute("width", "3");
    $("chart").append(made);
    return made;
  }

  function advance() {
    const now = Math.floor(Date.now() / 1000);
    if (now < second || now - second >= SECONDS) counts.fill(0); // the clock was set back, or the computer slept
    else for (let at = second + 1; at <= now; at += 1) counts[at % SECONDS] = 0;
    second = now;
  }

  function count() {
    advance();
    counts[second % SECONDS] += 1;
  }

  function draw() {
    advance();
    const shown = counts.map((_, index) => counts[(second + 1 + index) % SECONDS]);
    const peak = Math.max(...shown);
    shown.forEach((value, index) => size(bars[index], value, Math.max(peak, 4)));
    const total = shown.reduce((sum, value) => sum + value, 0);
    $("rate").textContent = total.toLocaleString();
    $("now").textContent = shown.at(-2).toLocaleString(); // the last second that is over
    $("peak").textContent = peak.toLocaleString();
    $("chart").setAttribute("aria-label", `${total} messages in the last minute, at most ${peak} in one second`);
  }

  function size(shape, value, top) {
    const height = value ? Math.max(2, (value / top) * HEIGHT) : 0;
    shape.setAttribute("height", height.toFixed(1));
    shape.setAttribute("y", (HEIGHT - height).toFixed(1));
    shape.setAttribute("class", value ? "some" : "none");
  }

  return { count, draw };
}
