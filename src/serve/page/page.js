// Makes the sections with the same id what those are that come as events. Asks for nothing else. Stands behind the
// script of the report, whose tables and charts they are.

const link = document.getElementById("link");
const sections = document.getElementById("sections");
const events = new EventSource("events");

function say(words, state) {
  link.textContent = words;
  link.dataset.state = state;
}

function title() {
  const head = document.querySelector("h1");
  if (head) document.title = `${head.textContent} · paceline`;
}

// What has the focus, or was moved sideways, and can be.
function places(section) {
  return Array.from(section.querySelectorAll("[tabindex], button, select, summary"));
}

// Makes the old element what the new one is, and touches nothing that is so already: a list that is open stays open.
function become(old, now) {
  if (old.isEqualNode(now)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== now.nodeName) return old.replaceWith(now);
  // What somebody has folded or unfolded stays so.
  const kept = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of Array.from(old.attributes)) if (!now.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
  const [had, has] = [Array.from(old.childNodes), Array.from(now.childNodes)];
  has.forEach((child, at) => { if (at < had.length) become(had[at], child); else old.append(child); });
  had.slice(has.length).forEach((child) => child.remove());
}

// Whoever is in the middle of a section by keyboard stays there when it changes, a second later.
function put(id, html) {
  const old = document.getElementById(id);
  if (!old) return sections.insertAdjacentHTML("beforeend", html);
  const before = places(old);
  const focused = before.indexOf(document.activeElement);
  const moved = before.map((place) => place.scrollLeft);
  const template = document.createElement("template");
  template.innerHTML = html;
  become(old, template.content.firstElementChild);
  const after = places(document.getElementById(id));
  if (after.length !== before.length) return;
  after.forEach((place, at) => { place.scrollLeft = moved[at]; });
  if (focused >= 0 && document.activeElement !== after[focused]) after[focused].focus({ preventScroll: true });
}

events.addEventListener("open", () => say("live", "live"));

events.addEventListener("sections", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) put(id, html);
  paceline.apply();
  title();
});

events.addEventListener("end", () => {
  events.close();
  const began = sections.children.length > 0;
  say(began ? "The run has ended; this is how it stood then." : "The run could not start; its terminal says why.", "ended");
});

events.addEventListener("error", () => {
  say("The process does not answer any more: it was ended, or can't be reached. Below is what it said last.", "lost");
});

title();
