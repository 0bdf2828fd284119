// Puts the sections that come as events in the place of those with the same id. Asks for nothing else. Stands behind the
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

events.addEventListener("open", () => say("live", "live"));

events.addEventListener("sections", (event) => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    const old = document.getElementById(id);
    if (old) old.outerHTML = html;
    else sections.insertAdjacentHTML("beforeend", html);
  }
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
