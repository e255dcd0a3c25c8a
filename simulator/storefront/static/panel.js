// The panel beside the shop: what the service knows of the shopper, which rule led, why each item is shown, what was told, and how long it took.

/** An element with text in it: nothing that the service says becomes markup. */
export function make(name, text, ...children) {
  const made = document.createElement(name);
  made.append(...(text === undefined ? [] : [String(text)]), ...children);
  return made;
}

const lists = new Map();

export function watch() {
  document.addEventListener("recsys:list", ({ target, detail }) => {
    lists.set(target, detail);
    showLists();
    showProfile();
  });
  document.addEventListener("recsys:kept", ({ target }) => {
    lists.set(target, null);
    showLists();
  });
  document.addEventListener("recsys:events", ({ detail: { events, answer, ms } }) => {
    const told = document.querySelector("#events ol");
    for (const event of events) {
      const line = [event.event_type, event.item_id ?? event.query ?? ""].join(" ");
      told.prepend(make("li", `${line} `, make("span", `${answer.rejected?.length ? "with rejections" : "taken"}, ${ms} ms`)));
    }
    while (told.children.length > 30) told.lastChild.remove();
    showProfile();
  });
}

function showLists() {
  const section = document.querySelector("#lists");
  section.replaceChildren(section.querySelector("h3"));
  for (const [list, shown] of lists) {
    if (!list.isConnected) continue;
    const name = list.getAttribute("label");
    if (!shown) {
      section.append(make("p", `${name}: the service was not there in time, the page keeps what it has.`));
      continue;
    }
    const { slate, ms } = shown;
    const led = make("p", `${name}: rule `, make("strong", slate.strategy), ` on ${slate.placement}, `, make("span", `${ms} ms`));
    led.dataset.strategy = slate.strategy;
    led.dataset.placement = slate.placement;
    const items = make("details", undefined, make("summary", `${slate.items.length} items, why?`));
    items.append(...slate.items.map((item) => why(item, list)));
    section.append(led, items);
  }
}

function why(item, list) {
  const { placement, limit, item_id = [] } = list.question;
  const line = make("p", `${item.title}: ${item.reason.text} `);
  const button = make("button", "explain");
  button.addEventListener("click", async () => {
    const query = new URLSearchParams([["placement", placement], ["limit", limit ?? 12], ["item_id", item.item_id], ...item_id.map((id) => ["item_id", id])]);
    const { answer, ms } = await (await fetch(`/panel/explain?${query}`)).json();
    button.replaceWith(make("span", `${answer.said ?? answer.detail} (${ms} ms)`));
  });
  line.append(button);
  return line;
}

let asked = 0;

async function showProfile() {
  const turn = ++asked;
  const found = await fetch("/panel/profile").catch(() => undefined);
  if (turn !== asked || !found?.ok) return;
  const { answer, ms } = await found.json();
  const rows = {
    "Who": answer.user_id,
    "Known": answer.known ? `since ${new Date(answer.known_since).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}, ${answer.orders} orders` : "nothing yet",
    "Intent": answer.intent?.said,
    "Focus": answer.focus?.said,
    "Brand": answer.brand?.said,
    "Lifecycle": answer.lifecycle?.said,
    "Dormant": answer.dormancy?.said,
    "Last seen at": { home: "the home page", category: "a category", pdp: "a product page", cart: "the cart", checkout: "the checkout" }[answer.exit_stage] ?? answer.exit_stage,
    "In the cart": answer.cart?.map((each) => each.title ?? each.item_id ?? each).join(", "),
    "Asked in": `${ms} ms`,
  };
  const dl = document.querySelector("#profile dl");
  dl.replaceChildren(...Object.entries(rows).flatMap(([name, text]) => (text ? [make("dt", name), make("dd", text)] : [])));
  dl.dataset.intent = answer.intent?.intent ?? "";
}
