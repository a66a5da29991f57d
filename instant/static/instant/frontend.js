"use strict";
// The page at /instant/. Messages are untrusted: all that they hold becomes text, never HTML.
(() => {
  const KEPT = 500;
  const FLOOD = 50; // rows in one frame
  const LISTED = 200; // names in a filter: who publishes may make up new ones for ever
  const $ = (id) => document.getElementById(id);
  const page = JSON.parse($("page").textContent);
  const instant = djangoInstant.useInstant({ prefix: page.prefix });
  const chart = instantChart($);

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  // Labels: what instant/event_class_format.js says, or, where a copy of it is broken, the plainest.
  const labels = {
    classes: new Map(Object.entries(window.instantLabels?.classes ?? { default: "mq-label mq-default" })),
    icons: new Map(Object.entries(window.instantLabels?.icons ?? {})),
  };

  function icon(eventClass) {
    const html = String(labels.icons.get(eventClass) ?? labels.icons.get("default") ?? "");
    const classes = /\bclass=["']([^"']*)["']/.exec(html)?.[1];
    const made = element("i", classes, html.replace(/<[^>]*>/g, "").trim());
    made.setAttribute("aria-hidden", "true");
    return made;
  }

  function label(eventClass) {
    const made = element("span", labels.classes.get(eventClass) ?? labels.classes.get("default"));
    made.append(icon(eventClass), element("span", "", eventClass || "default"));
    return made;
  }

  // The log. `passing` goes through the filter and is shown, `others` waits for another filter; both are bounded.
  let passing = [];
  let others = [];
  let undrawn = 0; // how many of `passing`, at its end, are not on the page yet
  let number = 0;
  let paused = false;
  let frame = 0;
  let flood = false;
  let drawn = 0;

  const trimmed = (list) => (list.length > KEPT ? list.slice(-KEPT) : list);

  function passes({ message }) {
    const channel = $("only-channel").value;
    const eventClass = $("only-class").value;
    return (!channel || message.channel === channel) && (!eventClass || (message.eventClass || "default") === eventClass);
  }

  function arrive(message) {
    chart.count();
    const entry = { message, number: (number += 1) };
    offer($("only-channel"), message.channel);
    offer($("only-class"), message.eventClass || "default");
    if (passes(entry)) {
      passing.push(entry);
      undrawn += 1;
    } else {
      others.push(entry);
    }
    if (passing.length > 2 * KEPT) passing = trimmed(passing); // seldom, so that each message costs next to nothing
    if (others.length > 2 * KEPT) others = trimmed(others);
    schedule();
  }

  /** A flood is drawn four times a second, so that the page has time for the one who reads it. */
  function schedule() {
    if (frame !== 0) return;
    const wait = flood ? drawn + 250 - performance.now() : 0;
    frame = wait > 0 ? setTimeout(() => requestAnimationFrame(draw), wait) : requestAnimationFrame(draw);
  }

  /** Once a frame, however many came. */
  function draw() {
    frame = 0;
    flood = undrawn > FLOOD;
    drawn = performance.now();
    showPause();
    if (paused || undrawn === 0) return;
    const entries = passing.slice(-Math.min(undrawn, KEPT));
    undrawn = 0;
    $("log").prepend(...entries.map(row).reverse());
    while ($("log").childElementCount > KEPT) $("log").lastElementChild.remove();
    showEmpty();
    announce(entries);
  }

  function refilter() {
    const all = [...passing, ...others].sort((a, b) => a.number - b.number);
    passing = trimmed(all.filter(passes));
    others = trimmed(all.filter((entry) => !passes(entry)));
    $("log").replaceChildren(...passing.map(row).reverse());
    undrawn = 0;
    showPause();
    showEmpty();
  }

  function row({ message }) {
    const made = element("li");
    const about = element("span", "about");
    about.append(element("code", "channel", message.channel));
    if (message.bucket) about.append(element("span", "bucket", message.bucket));
    const content = element("div", "content");
    if (message.message) content.append(element("p", "text", message.message));
    if (message.data !== null) content.append(details(message.data));
    made.append(clock(message.timestamp), label(message.eventClass), about, content);
    return made;
  }

  function clock(timestamp) {
    const date = new Date(timestamp || Date.now());
    const shown = Number.isNaN(date.getTime()) ? new Date() : date;
    const made = element("time", "", shown.toLocaleTimeString([], { hourCycle: "h23" }));
    made.append(element("span", "", `.${String(shown.getMilliseconds()).padStart(3, "0")}`));
    made.dateTime = made.title = timestamp;
    return made;
  }

  /** The data, written out only when somebody opens it: it may be long. */
  function details(data) {
    const made = element("details");
    const shown = element("pre");
    made.append(element("summary", "", summary(data)), shown);
    made.addEventListener("toggle", () => {
      shown.textContent ||= JSON.stringify(data, null, 2);
    });
    return made;
  }

  function summary(data) {
    if (Array.isArray(data)) return `[ ${data.length} ${data.length === 1 ? "item" : "items"} ]`;
    if (typeof data !== "object") return short(JSON.stringify(data));
    const keys = Object.keys(data);
    return `{ ${short(keys.slice(0, 6).join(", "))}${keys.length > 6 ? ", …" : ""} }`;
  }

  const short = (text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

  // Filters
  const listed = new Map([
    [$("only-channel"), new Set([""])],
    [$("only-class"), new Set([""])],
  ]);

  function offer(select, value) {
    const known = listed.get(select);
    if (known.has(value) || known.size > LISTED) return;
    known.add(value);
    const option = element("option", "", value);
    option.value = value;
    const after = [...select.options].slice(1).find((other) => other.value > value);
    select.insertBefore(option, after ?? null);
  }

  function showEmpty() {
    const isEmpty = passing.length === 0;
    const isFiltered = Boolean($("only-channel").value || $("only-class").value);
    $("log").hidden = isEmpty;
    $("empty").hidden = !isEmpty || isFiltered;
    $("no-match").hidden = !isEmpty || !isFiltered;
  }

  function showPause() {
    const text = paused ? `Resume${undrawn ? ` (${undrawn > KEPT ? `${KEPT}+` : undrawn} new)` : ""}` : "Pause";
    if ($("pause").textContent !== text) $("pause").textContent = text;
    $("pause").classList.toggle("paused", paused);
  }

  /** For screen readers: at most one sentence in three seconds, where the log itself would never be silent. */
  let unread = 0;
  let speaking = 0;

  function announce(entries) {
    unread += entries.length;
    speaking ||= setTimeout(() => {
      const { message } = passing.at(-1) ?? { message: null };
      const text = message && `${message.eventClass || "message"} in ${message.channel}: ${short(message.message)}`;
      $("news").textContent = unread === 1 && text ? text : `${unread} new messages`;
      unread = speaking = 0;
    }, 3000);
  }

  // The connection
  let wasConnected = false;

  function showState() {
    const { state } = instant;
    const texts = {
      connected: "connected",
      connecting: wasConnected ? "disconnected, trying again…" : "connecting…",
      disconnected: "disconnected",
    };
    wasConnected ||= state === "connected";
    setState(state, texts[state]);
  }

  function setState(state, text) {
    $("state").dataset.state = state;
    $("state").textContent = text;
    $("reconnect").hidden = state !== "disconnected";
  }

  function connect() {
    wasConnected = false;
    instant.connect().catch((error) => setState("disconnected", `disconnected: ${error.reason ?? error.message}`));
  }

  // The form
  const FIELDS = { invalid_channel: "channel", invalid_json: "data", empty: "message", too_large: "data" };

  async function send(event) {
    event.preventDefault();
    const form = $("send");
    const button = form.querySelector("[type=submit]");
    if (button.disabled) return;
    button.disabled = true;
    try {
      const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) accepted(form, answer.channel);
      else refused(form, answer.error, answer.reason ?? `${response.status}: load this page again, and log in`);
    } catch {
      refused(form, "", "Django does not answer");
    } finally {
      button.disabled = false;
    }
  }

  function accepted(form, channel) {
    mark(form, null);
    const heard = instant.channels.some(({ name }) => name === channel);
    tell("sent", heard ? `Sent to ${channel}.` : `Sent to ${channel}. You are not in it, so it is not shown here.`);
    form.elements.message.value = "";
    form.elements.message.focus();
  }

  function refused(form, code, reason) {
    const field = form.elements[FIELDS[code] ?? ""] ?? null;
    mark(form, field);
    tell("refused", reason);
    field?.focus();
  }

  function mark(form, field) {
    for (const each of form.elements) {
      each.toggleAttribute("aria-invalid", false);
      each.removeAttribute("aria-describedby");
    }
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-describedby", "sent");
  }

  function tell(kind, text) {
    $("sent").dataset.kind = kind;
    $("sent").textContent = text;
  }

  function sendByKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("send").requestSubmit();
  }

  function pause() {
    paused = !paused;
    schedule();
  }

  function clear() {
    passing = [];
    others = [];
    refilter();
  }

  $("send").addEventListener("submit", send);
  $("send").addEventListener("keydown", sendByKey);
  $("pause").addEventListener("click", pause);
  $("clear").addEventListener("click", clear);
  $("reconnect").addEventListener("click", connect);
  for (const id of ["only-channel", "only-class"]) $(id).addEventListener("change", refilter);
  for (const name of labels.classes.keys()) offer($("only-class"), name);

  instant.on("*", arrive);
  instant.onState(showState);
  instant.onConnect(() => instant.channels.forEach(({ name }) => offer($("only-channel"), name)));
  instant.onDisconnect(({ reason }) => setState("disconnected", `disconnected: ${reason}`));
  instant.onError((error) => console.warn(`${error.name}: ${error.message}`));
  if (window.matchMedia("(max-width: 60rem)").matches) $("sender").open = false;
  setInterval(chart.draw, 500);
  chart.draw();
  showEmpty();
  connect();
})();
