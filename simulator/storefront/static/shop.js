// The shop's own script: all that a shop writes to use the kit is in the first function.
import { watch } from "./panel.js";
import { walk } from "./walks.js";

const service = document.documentElement.dataset.service;
const CONSENT = "shop-consent";

async function recommend(consent) {
  const { start, track } = await import(`${service}/static/recsys.js`);
  for (const list of document.querySelectorAll("recsys-list")) {
    const card = document.querySelector("#card").cloneNode(true);
    card.removeAttribute("id");
    list.append(card);
    if (list.dataset.items) list.ask = { item_id: JSON.parse(list.dataset.items) };
  }
  start({ token: "/recsys/token", consent });
  for (const { dataset } of document.querySelectorAll("[data-track]")) track(dataset.track, dataset.itemId && { item_id: dataset.itemId });
  document.querySelector("#buy")?.addEventListener("submit", ({ target }) => track("cart_add", { item_id: target.item_id.value, quantity: 1 }));
}

function askForConsent() {
  const answered = { yes: true, no: false }[localStorage[CONSENT]];
  const bar = document.querySelector("#consent");
  bar.hidden = answered !== undefined;
  bar.addEventListener("click", async ({ target }) => {
    if (!target.dataset.consent) return;
    localStorage[CONSENT] = target.dataset.consent;
    bar.hidden = true;
    (await import(`${service}/static/recsys.js`)).consent(target.dataset.consent === "yes");
  });
  return answered;
}

watch();
walk();
recommend(askForConsent()).catch(() => {}); // without the service this is a shop all the same
