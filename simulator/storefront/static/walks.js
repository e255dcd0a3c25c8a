// Walks that play by themselves: a step a page, kept in the tab, so that each is a real visit with real pages.
const KEY = "shop-walk";
const PACE = 1600; // ms before each step

const category = (name) => `/category/${encodeURIComponent(name)}`;
const product = (id) => `/products/${encodeURIComponent(id)}`;

/** Steps are [what is said, what is done]: an address to go to, or the selector of a form to send. */
const WALKS = {
  window: async () => {
    const { windows } = await plan();
    const seen = windows.flatMap(({ category: name, items }) => [
      [`Looks into ${name.split(" > ").pop()}`, category(name)],
      ...items.map((id) => ["Looks at one thing, and goes on", product(id)]),
    ]);
    return [["A visitor comes in, and only looks around", "/"], ...seen, ["Back at the door: nothing to hold on to, so the lists stay broad", "/"]];
  },
  watches: async () => {
    const { watches } = await plan();
    return [
      ["A visitor who knows what is wanted", "/"],
      ["Straight to the watches", category(watches.category)],
      ...watches.items.map((id, n) => [["The cheapest", "One between", "The dearest: prices are compared"][n] ?? "Another one", product(id)]),
      ["Puts it into the cart", "#buy"],
      ["Back home: a buyer with a focus, so bestsellers of that category lead", "/"],
    ];
  },
  dormant: async () => {
    const { dormant } = await plan();
    return [
      ["A customer who has not bought for half a year comes back", "/", dormant[0]],
      ["What was bought then leads: things that go with it", "/"],
    ];
  },
};

let planned;
const plan = () => (planned ??= fetch("/walks.json").then((answer) => answer.json()));

export function walk() {
  const box = document.querySelector("#walks");
  box.addEventListener("click", ({ target }) => target.dataset.walk !== undefined && begin(target.dataset.walk));
  go();
}

async function begin(name) {
  sessionStorage.removeItem(KEY);
  if (!name) return location.reload();
  const steps = await WALKS[name]();
  for (const key of Object.keys(localStorage)) if (key.startsWith("recsys:")) localStorage.removeItem(key); // somebody new
  localStorage["shop-consent"] = "yes";
  sessionStorage[KEY] = JSON.stringify({ name, steps, at: 0, pace: Number(document.body.dataset.pace) || PACE });
  await signIn(steps[0][2] ?? "");
  location.href = steps[0][1];
}

function signIn(user_id) {
  return fetch("/sign-in", { method: "POST", body: new URLSearchParams({ user_id }), redirect: "manual" });
}

function go() {
  const under = JSON.parse(sessionStorage[KEY] ?? "null");
  if (!under) return;
  const { steps, at, pace } = under;
  document.querySelector("#caption").textContent = `${at + 1}/${steps.length} ${steps[at][0]}`;
  document.querySelector('[data-walk=""]').hidden = false;
  if (at + 1 === steps.length) return sessionStorage.removeItem(KEY);
  setTimeout(() => {
    if (!sessionStorage[KEY]) return;
    sessionStorage[KEY] = JSON.stringify({ ...under, at: at + 1 });
    const where = steps[at + 1][1];
    if (where.startsWith("#")) document.querySelector(where)?.requestSubmit();
    else location.href = where;
  }, pace);
}
