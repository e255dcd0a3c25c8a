/**
 * Storefront kit (docs/storefront.md). It never throws into the page, and without consent stores and sends nothing.
 *
 * @typedef {import("./types.js").Item} Item
 * @typedef {import("./types.js").Slate} Slate
 * @typedef {import("./types.js").EventType} EventType
 * @typedef {import("./types.js").Options} Options
 * @typedef {import("./types.js").Kept} Kept
 * @typedef {import("./types.js").Credentials} Credentials
 */

const KEY = "recsys:";
const VISITOR = KEY + "visitor";
const ANON = KEY + "anon-";
const PATIENCE = 800; // ms, twice
const DAY = 864e5; // ms; older events go
const MOST = 500; // events kept

/** @type {Options} */
let options;
let service = import.meta.url?.replace(/[^/]*\/[^/]*$/, "");
/** @type {boolean | undefined} */
let agreed;
/** @type {Credentials | undefined} */
let known;
/** @type {Promise<Credentials> | undefined} */
let asking;
/** @type {Promise<void> | undefined} */
let flushing;
/** @type {Promise<void> | undefined} */
let timer;
let failures = 0;
/** @type {Credentials | undefined} */
let past; // before the shopper signed in or out
let round = 0; // of one shopper's consent
/** @type {((done?: any) => void) | undefined} */
let release; // the name that other tabs read
const queue = /** @type {Map<string, Kept>} */ (new Map());
const underway = new Set();
const shown = new Set();
const wanted = new Set();

/** @param {Options} given */
export function start(given) {
  options = given;
  if (given.service) service = given.service.replace(/\/*$/, "/");
  forget();
  consent(given.consent);
}

/** Whether the shopper agrees; false also forgets what was stored. @param {boolean} [given] */
export function consent(given) {
  agreed = given;
  if (given === false) {
    withdrawn();
    keys().forEach(erase);
  } else if (given) {
    visitor();
    recall();
    shown.forEach(want);
  }
}

/** Note what the shopper did, and send it soon. @param {EventType} type @param {string | object} [what] an item's id, or the event's fields */
export function track(type, what) {
  if (agreed === false) return;
  const fields = typeof what === "string" ? { item_id: what } : what;
  keep({ ...fields, event_type: type, event_id: draw(), at: Date.now(), user: known?.user });
  later(200);
}

/** Send what waits. */
export function flush() {
  return (flushing ??= sendAll().finally(() => (flushing = undefined)));
}

/** Send what waits, then ask for all lists. */
export async function refresh() {
  await flush();
  shown.forEach(want);
}

/** The shopper signed in or out. */
export async function renew() {
  await flush();
  forget();
  refresh();
}

function withdrawn() {
  agreed = false;
  forget();
  release?.();
  past = undefined;
  queue.clear();
}

function forget() {
  past = known ?? past;
  known = asking = undefined;
  round++;
}

/** A list. A `<template>` in it is the card. */
export class RecsysList extends (globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {})) {
  static observedAttributes = ["placement", "limit", "category", "brand", "item"];

  ask = {};
  /** @type {Slate | undefined} */
  slate;
  #timers = new Map();
  #observer = new IntersectionObserver((all) => all.forEach((one) => this.#look(one)), { threshold: [0.5, 0.25, 0.125, 0.0625] });
  #seen = new Map(); // item to the list in which it was told
  #undo = button("undo");
  #said = {};
  #most = 0;
  #anew = false; // the next list is another one: what was seen in this one counts there again

  connectedCallback() {
    shown.add(this);
    for (const kind of ["click", "auxclick"]) this.addEventListener(kind, this);
    this.#observer.disconnect();
    this.querySelectorAll("[data-item]").forEach((card) => this.#observer.observe(card));
    if (!this.slate) want(this);
  }

  disconnectedCallback() {
    shown.delete(this);
    this.#observer.disconnect();
    this.#timers.forEach(clearTimeout);
  }

  attributeChangedCallback() {
    this.#most = 0;
    this.#anew = true;
    if (shown.has(this)) want(this);
  }

  get question() {
    const [placement, limit, category, brand, item] = RecsysList.observedAttributes.map((name) => this.getAttribute(name) || undefined);
    return {
      placement: placement ?? "home",
      limit: Math.min(100, Math.max(+(limit ?? 0), this.#most)) || undefined,
      category,
      brand: brand && [brand],
      item_id: item && [item],
      cursor: this.hasAttribute("more") ? "*" : undefined,
      ...this.ask,
    };
  }

  async more() {
    const cursor = this.slate?.next_cursor;
    if (cursor && !this.ariaBusy) await fill([this], cursor);
  }

  loading() {
    this.ariaBusy = "true";
    if (this.querySelector(":scope > :not(template)")) return;
    const bones = make("ul", { class: "recsys-skeleton", "aria-hidden": "true" });
    for (let n = +(this.getAttribute("limit") || 4); n-- > 0; ) bones.append(make("li"));
    this.append(bones);
  }

  kept() {
    this.ariaBusy = null;
    this.querySelector(":scope > .recsys-skeleton")?.remove();
    tell(this, "kept");
  }

  /** @param {Slate} slate @param {number} ms that it took @param {string} [below] */
  show(slate, ms, below) {
    if (!slate.items.length && !this.slate) return this.kept();
    const template = this.querySelector("template");
    const old = this.slate && this.querySelector(":scope > ul");
    const ul = (below && old) || make("ul", { role: "list", "aria-label": this.getAttribute("label") });
    const no = this.getAttribute("dislike");
    const seen = below ? this.#seen : new Map();
    for (const item of slate.items) {
      const id = round + " " + item.item_id;
      const told = this.#anew ? undefined : this.#seen.get(id);
      if (told) seen.set(id, told);
      const card = make("li", { "data-item": item.item_id, "data-list": told ?? slate.recommendation_id });
      card.append(template ? filled(template, item) : plain(item));
      if (no) card.append(set(button("dislike", no), { "data-dislike": "item" }));
      card.querySelectorAll("[data-dislike]").forEach((one) => (one.ariaLabel = `${one.ariaLabel ?? one.textContent}: ${item.title ?? ""}`));
      ul.append(card);
      this.#observer.observe(card);
    }
    this.slate = slate;
    this.#seen = seen;
    this.#anew = false;
    if (!old) this.replaceChildren(...(template ? [template] : []), ul);
    else if (old !== ul) old.replaceWith(ul);
    const more = this.querySelector(":scope > .recsys-more");
    if (!slate.next_cursor) more?.remove();
    else if (!more) this.append(button("more", this.getAttribute("more")));
    this.ariaBusy = null;
    tell(this, "list", { slate, ms });
  }

  /** @param {IntersectionObserverEntry} entry */
  #look({ target, intersectionRatio, intersectionRect: part, boundingClientRect: { width, height } }) {
    clearTimeout(this.#timers.get(target));
    const seen = () => {
      const id = round + " " + target.getAttribute("data-item");
      if (document.hidden || this.#seen.has(id)) return;
      this.#seen.set(id, target.getAttribute("data-list"));
      this.#track("impression", target);
    };
    const half = part.width * part.height * 2 >= Math.min(width, innerWidth) * Math.min(height, innerHeight);
    if (intersectionRatio && half) this.#timers.set(target, setTimeout(seen, 1000));
  }

  /** @param {MouseEvent} event */
  handleEvent(event) {
    const { target, button } = event;
    if (!(target instanceof Element) || button > 1) return;
    const card = target.closest("[data-item]");
    const no = target.closest("[data-dislike]");
    if (card && no && !button) {
      event.preventDefault();
      this.#say("dislike", { item_id: card.getAttribute("data-item"), hides: no.getAttribute("data-dislike") || "item" });
      card.parentElement?.after(this.#undo);
      card.remove();
      this.#undo.textContent = this.getAttribute("undo") || "Undo";
      this.#undo.focus();
    } else if (card && (!button || target.closest("a[href]"))) this.#track("click", card);
    else if (button) return;
    else if (target === this.#undo) {
      this.#undo.remove();
      this.tabIndex = -1;
      this.focus({ preventScroll: true });
      this.#say("undo", this.#said);
    } else if (target.closest(".recsys-more")) this.more();
  }

  /** @param {EventType} type @param {object} what */
  #say(type, what) {
    this.#most = Math.max(this.#most, this.querySelectorAll("[data-item]").length);
    track(type, (this.#said = what));
    refresh();
  }

  /** @param {EventType} type @param {Element} card */
  #track(type, card) {
    const [item_id, recommendation_id] = ["data-item", "data-list"].map((name) => card.getAttribute(name));
    track(type, { item_id, recommendation_id, properties: { placement: this.slate?.placement } });
  }
}

/** @param {RecsysList} list */
function want(list) {
  if (!agreed) return;
  if (!wanted.size)
    queueMicrotask(() => {
      const all = [...wanted];
      wanted.clear();
      while (all.length) fill(all.splice(0, 20));
    });
  wanted.add(list);
}

/** @param {RecsysList[]} lists @param {string} [cursor] where they go on */
async function fill(lists, cursor) {
  const begun = Date.now();
  try {
    const asked = lists.map((list) => list.question);
    const cards = [...document.querySelectorAll("recsys-list [data-item]")].slice(-500);
    const exclude = cards.map((card) => card.getAttribute("data-item"));
    const placements = cursor ? asked.map((one) => ({ ...one, cursor, exclude })) : asked;
    lists.forEach((list) => list.loading());
    const locale = document.documentElement.lang.match(/^[a-z]{2,3}\b/)?.[0];
    const { slates } = await patiently((me, signal) => post("v1/slates", { user_id: me.user, placements, locale }, me, signal));
    lists.forEach((list, place) => {
      const meant = JSON.stringify(list.question) === JSON.stringify(asked[place]);
      if (meant) list.show(slates[place], Date.now() - begun, cursor);
    });
  } catch (error) {
    if (error === 0 && lists.length > 1) lists.forEach((list) => fill([list])); // one is wrong
    else lists.forEach((list) => list.kept());
  }
}

/** Try twice. @param {(me: Credentials, signal: AbortSignal) => Promise<any>} call */
async function patiently(call) {
  for (let again = true; ; again = false) {
    const signal = AbortSignal.timeout(PATIENCE);
    try {
      return await call(await credentials(signal), signal);
    } catch (error) {
      if (!again || error === 0) throw error;
      if (error !== 401) await pause(100 + 300 * Math.random());
    }
  }
}

/**
 * Post text: no preflight. Throws 0 where nothing helps.
 * @param {string} path @param {object} more @param {Credentials} me @param {AbortSignal} signal @param {boolean} [keepalive]
 */
async function post(path, more, me, signal, keepalive) {
  const body = JSON.stringify({ token: me.token, ...more }).replace(
    /\\(\\|ud[89a-f]\w\w)/g, // half a character
    (sign) => (sign[1] === "\\" ? sign : "\\ufffd"),
  );
  const answer = await fetch(service + path, { method: "POST", body, signal, keepalive, credentials: "omit" });
  const { ok, status } = answer;
  if (ok && agreed) return answer.json();
  if (status === 401 && known === me) known = undefined;
  if (![400, 413, 415].includes(status) || !/problem/.test(answer.headers.get("Content-Type") ?? "")) throw status;
  console.warn("recsys:", (await answer.json()).detail);
  throw 0;
}

/** @param {AbortSignal} signal */
async function credentials(signal) {
  if (!agreed) throw 0;
  if (known && Date.now() < known.until) return known;
  asking ??= within(newToken(), AbortSignal.timeout(5e3)).finally(() => (asking = undefined));
  return within(asking, signal);
}

/** @param {Promise<any>} promise @param {AbortSignal} signal */
function within(promise, signal) {
  return Promise.race([promise, new Promise((_, no) => (signal.onabort = () => no(signal.reason)))]);
}

async function newToken() {
  let { token } = options;
  const begun = round;
  const anonymous_id = await visitor();
  if (begun !== round) throw 401;
  if (typeof token === "function") token = await token(anonymous_id);
  else {
    const body = JSON.stringify({ anonymous_id });
    const headers = { "Content-Type": "application/json" };
    token = /** @type {string} */ ((await (await fetch(token, { method: "POST", body, headers })).json()).token);
  }
  const claims = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
  const { sub, iat, exp } = JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (letter) => letter.charCodeAt(0))));
  if (begun !== round) throw 401;
  const now = Date.now();
  const life = (exp - iat) * 1e3;
  const skew = iat * 1e3 - now; // of a wrong clock
  return (known = { token, user: sub, until: now + life - 3e4, skew: Math.abs(skew) > life ? skew : 0 });
}

/** Of tabs that open at once one draws the id, and locks its name until others read it. @returns {Promise<string>} */
function visitor() {
  return new Promise((give) => {
    const { locks } = navigator;
    const take = async () => {
      let id = stored();
      if (!id) {
        const held = (await locks?.query().catch(() => undefined))?.held?.find(({ name }) => name?.startsWith(ANON));
        id = (held?.name ?? ANON + draw()).slice(7);
        if (agreed) {
          attempt(() => (localStorage[VISITOR] = id));
          locks?.request(KEY + id, () => Promise.race([pause(9e3), new Promise((done) => (release = done))])).catch(pause);
        }
      }
      queue.forEach(keep); // under another id they would count twice
      give(id);
    };
    if (stored() || !locks) take();
    else locks.request(KEY, take).catch(take);
  });
}

/** @returns {string | undefined} the visitor's id */
function stored() {
  return attempt(() => localStorage[VISITOR]);
}

async function sendAll() {
  try {
    while (agreed && queue.size && navigator.onLine) {
      const all = [await credentials(AbortSignal.timeout(5e3)), past];
      const me = all.find((one) => one && Date.now() < one.until && next(one).length);
      if (!me) break;
      await send(next(me), me);
    }
    failures = 0;
  } catch {
    later(Math.min(6e4, 1e3 * 2 ** failures++) * (0.5 + Math.random()));
  }
}

/** What can be sent as this shopper, below 64 KiB. @param {Credentials} me */
function next(me) {
  const batch = [];
  let size = 0;
  for (const event of queue.values()) {
    if (!event.user) keep({ ...event, user: me.user });
    if ((event.user ?? me.user) !== me.user || underway.has(event.event_id)) continue;
    size += JSON.stringify(event).length * 3;
    if (size > 6e4) break;
    batch.push(event);
  }
  return batch;
}

/** @param {Kept[]} batch @param {Credentials} me */
async function send(batch, me) {
  const now = Date.now();
  const ids = batch.map(({ event_id }) => event_id);
  const events = batch.map(({ at, user, ...event }) => ({
    ...event,
    user_id: me.user,
    ...(now - at > 5e3 && { timestamp: new Date(at + me.skew).toISOString() }),
  }));
  ids.forEach((id) => underway.add(id));
  try {
    const answer = await post("v1/events", { events }, me, AbortSignal.timeout(1e4), true);
    drop(ids);
    tell(document, "events", { events, answer, ms: Date.now() - now });
  } catch (error) {
    if (error !== 0 || !agreed) throw error;
    const half = batch.length >> 1;
    if (!half) drop(ids); // refused for good
    else for (const part of [batch.slice(0, half), batch.slice(half)]) await send(part, me);
  } finally {
    ids.forEach((id) => underway.delete(id));
  }
}

function leave() {
  const batch = agreed && known ? next(known) : [];
  if (known && batch.length) send(batch, known).catch(() => later(1e3));
}

/** @param {number} ms */
function later(ms) {
  timer ??= pause(ms).then(() => {
    timer = undefined;
    flush();
  });
}

/** @param {Kept} event */
function keep(event) {
  const id = event.event_id;
  const text = attempt(() => JSON.stringify(event));
  if (!text || text.length > 1e4) return;
  queue.set(id, event);
  if (agreed && stored()) attempt(() => (localStorage[KEY + id] = text));
  if (queue.size > MOST) drop([[...queue.keys()][0]]);
}

/** @param {string[]} ids */
function drop(ids) {
  for (const id of ids) {
    queue.delete(id);
    erase(KEY + id);
  }
}

function recall() {
  for (const key of keys()) {
    const event = key !== VISITOR && attempt(() => JSON.parse(localStorage[key]));
    if (event?.at > Date.now() - DAY) queue.set(event.event_id, event);
    else if (event !== false) erase(key);
  }
  flush();
}

/** @returns {string[]} of what is stored */
function keys() {
  return attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(KEY))) ?? [];
}

/** @param {string} key */
function erase(key) {
  attempt(() => delete localStorage[key]);
}

/** A storage may be full or forbidden. @param {() => any} use */
function attempt(use) {
  try {
    return use();
  } catch {}
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((go) => setTimeout(go, ms));
}

function draw() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
}

/** @param {EventTarget} where @param {string} name @param {object} [detail] */
function tell(where, name, detail) {
  where.dispatchEvent(new CustomEvent(KEY + name, { bubbles: true, detail }));
}

/** @param {string} name @param {object} [attributes] @param {?string} [text] */
function make(name, attributes = {}, text = "") {
  const made = set(document.createElement(name), attributes);
  made.textContent = text;
  return made;
}

/** @param {string} name @param {?string} [text] */
function button(name, text) {
  return make("button", { type: "button", class: "recsys-" + name }, text);
}

/** @template {Element} T @param {T} part @param {object} attributes those that are null or undefined are left out */
function set(part, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (value != null) part.setAttribute(name, value);
  return part;
}

/** A field as people read it. @param {Item} item @param {string} name */
function words(item, name) {
  const { price, currency, reason } = item;
  if (name === "reason") return reason.text;
  if (name !== "price" || price === null || !currency) return String(/** @type {any} */ (item)[name] ?? "");
  const say = (/** @type {any} */ lang) => price.toLocaleString(lang, { style: "currency", currency });
  return attempt(() => say(document.documentElement.lang.replace("_", "-"))) ?? say(undefined);
}

/** A field that leads somewhere. @param {Item} item @param {string} name */
function address(item, name) {
  const link = document.createElement("a");
  link.href = words(item, name) || "about:";
  return /^https?:$/.test(link.protocol) ? link.href : null;
}

/** @param {HTMLTemplateElement} template @param {Item} item */
function filled(template, item) {
  const card = document.importNode(template.content, true);
  for (const part of card.querySelectorAll("*")) {
    if (!(part instanceof HTMLElement)) continue;
    const { text, href, src, alt } = part.dataset;
    if (text) part.textContent = words(item, text);
    if (text && !part.textContent) part.hidden = true;
    set(part, { href: href && address(item, href), src: src && address(item, src), alt: alt && words(item, alt) });
  }
  return card;
}

/** @param {Item} item */
function plain(item) {
  const card = make("a", { href: address(item, "url") });
  const src = address(item, "image_url");
  if (src) card.append(make("img", { src, alt: "", loading: "lazy" }));
  for (const name of ["title", "price", "reason"]) card.append(make("span", { class: "recsys-" + name }, words(item, name)), " ");
  return card;
}

if (globalThis.document) {
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : shown.forEach((list) => list.connectedCallback())));
  addEventListener("storage", ({ key, newValue }) => agreed && key === VISITOR && newValue === null && withdrawn());
  addEventListener("online", () => agreed && recall());
  addEventListener("pageshow", (event) => event.persisted && agreed && (underway.clear(), flush()));
  if (customElements.get("recsys-list")) console.warn("recsys: loaded from two addresses");
  else customElements.define("recsys-list", RecsysList);
}
