// The words that mattered: a change is how far the verdict's probability falls when the word is hidden.
// Both pages have this file: that of the service inside its own script, where no `export` may stand.

const POINT = 0.01;

// Colours each {span, change}, the stronger the more it changes.
export function colour(words) {
  const largest = Math.max(POINT, ...words.map(({change}) => Math.abs(change)));
  for (const {span, change} of words) {
    if (Math.abs(change) < POINT) continue;
    span.className = change > 0 ? "for" : "against";
    span.style.setProperty("--strength", (0.15 + 0.3 * Math.abs(change) / largest).toFixed(2));
  }
}

// Writes into `line` which of {word, change} change it most.
export function tellMost(line, words) {
  const most = words.filter(({change}) => Math.abs(change) >= POINT)
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, 5);
  line.replaceChildren(most.length ? "Most: " : "No single word changes it by a point.");
  most.forEach(({word, change}, place) => {
    const name = document.createElement("bdi");
    name.textContent = word;  // Never as HTML: it is what somebody typed.
    const points = (100 * Math.abs(change)).toFixed(1);
    const end = place + 1 < most.length ? ", " : ".";
    line.append(name, ` (${change > 0 ? "for" : "against"}, ${points} points)${end}`);
  });
}
