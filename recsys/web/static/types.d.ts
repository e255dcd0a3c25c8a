/** Types of the storefront kit (docs/storefront.md). */

/** An item of a list, as the service answers it; what the catalogue lacks is null. */
export type Item = {
  item_id: string;
  title: string | null;
  brand: string | null;
  category: string | null;
  /** of one unit, in `currency` */
  price: number | null;
  currency: string | null;
  url: string | null;
  image_url: string | null;
  available: boolean;
  score: number;
  /** why it is shown, in words of the page's language */
  reason: { code: string; text: string };
};

/** A list as the service answers it. */
export type Slate = {
  recommendation_id: string;
  placement: string;
  strategy: string;
  items: Item[];
  /** of the list's next page; null on the last one */
  next_cursor?: string | null;
};

/** What a browser may tell. */
export type EventType =
  | "home_view"
  | "category_view"
  | "search"
  | "view"
  | "cart_add"
  | "cart_remove"
  | "impression"
  | "click"
  | "dislike"
  | "undo";

export type Options = {
  /** the shop's address that answers a POST of `{"anonymous_id"}` with `{"token"}`, or a function that gives a token */
  token: string | ((visitor: string) => Promise<string> | string);
  /** true: given; false: refused; absent: not asked yet */
  consent?: boolean;
  /** its address; by default where the kit came from */
  service?: string;
};

/** An event that waits, since `at` (ms since 1970); `user` once it is known who did it. */
export type Kept = { event_id: string; event_type: EventType; at: number; user?: string };

/** A token, whose it is, up to when it is used, and how far the clock is behind (ms). */
export type Credentials = { token: string; user: string; until: number; skew: number };
