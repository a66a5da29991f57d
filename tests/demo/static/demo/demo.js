"use strict";
// A page needs four steps: useInstant(), login() (or a Django session), connect(), on().
const instant = djangoInstant.useInstant({ backendUrl: "" });
const $ = (id) => document.getElementById(id);
const page = JSON.parse($("page").textContent);

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
};

function showState() {
  $("state").dataset.state = instant.state;
  $("state").textContent = instant.state;
}

function showUser(name) {
  $("people").hidden = Boolean(name);
  for (const id of ["channels-card", "log-card", "logout"]) $(id).hidden = !name;
  $("who").textContent = name;
}

function showChannels() {
  const names = instant.channels.map(({ name, level }) => {
    const row = document.createElement("li");
    row.append(element("code", "", name), element("span", "level", level));
    return row;
  });
  $("channels").replaceChildren(...names);
  const select = $("publish").elements.channel;
  const chosen = select.value;
  select.replaceChildren(...instant.channels.map(({ name }) => element("option", "", name)));
  if (chosen) select.value = chosen;
}

function showMessage(message) {
  $("empty").hidden = true;
  const row = document.createElement("li");
  const label = element("span", "label", message.eventClass);
  label.dataset.kind = message.eventClass;
  const about = element("div", "about", "");
  const time = message.timestamp ? new Date(message.timestamp).toLocaleTimeString() : "";
  about.append(element("code", "", message.channel), element("span", "", message.site), element("time", "", time));
  if (message.data !== null) about.append(element("code", "", JSON.stringify(message.data)));
  row.append(label, element("span", "text", message.message), about);
  $("messages").prepend(row);
  while ($("messages").childElementCount > 200) $("messages").lastElementChild.remove();
}

function showProblem(text) {
  $("published").textContent = text;
}

async function start(name) {
  showUser(name);
  $("messages").replaceChildren();
  $("empty").hidden = false;
  await instant.connect();
  showChannels();
}

instant.on("*", showMessage);
instant.onState(showState);
instant.onConnect(showChannels);
instant.onDisconnect(({ reason }) => showProblem(`Disconnected: ${reason}`));
instant.onUnsubscribe(showChannels);
instant.onError((error) => console.warn(error));

for (const button of document.querySelectorAll("[data-login]")) {
  button.addEventListener("click", async () => {
    await instant.login(button.dataset.login, "demo");
    await start(button.dataset.login);
  });
}

$("logout").addEventListener("click", async () => {
  await instant.logout();
  showUser("");
});

$("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const csrf = document.cookie.match(/(?:^|; )csrftoken=([^;]*)/);
  const response = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { "X-CSRFToken": csrf ? csrf[1] : "" },
  });
  showProblem(response.ok ? "" : (await response.json()).reason);
  if (response.ok) form.elements.message.value = "";
  form.elements.message.focus();
});

showState();
if (page.user) start(page.user).catch((error) => showProblem(error.message));
