/**
 * Storefront kit (docs/storefront.md). It never throws into the page, and without consent stores and sends nothing.
 *
 * @typedef {{item_id: string, title: ?string, brand: ?string, category: ?string, price: ?number, currency: ?string, url: ?string,
 *   image_url: ?string, available: boolean, score: number, reason: {code: string, text: string}}} Item
 * @typedef {{recommendation_id: string, placement: string, strategy: string, items: Item[], next_cursor?: ?string}} Slate
 * @typedef {"home_view" | "category_view" | "search" | "view" | "cart_add" | "cart_remove" | "impression" | "click" | "dislike" | "undo"} EventType
 * @typedef {{event_id: string, event_type: EventType, at: number, user?: string}} Kept
 * @typedef {{token: string, user: string, until: number, skew: number}} Credentials
 * @typedef {object} Options
 * @property {string | ((visitor: string) => Promise<string> | string)} token the shop's address that answers a POST of
 *   `{"anonymous_id"}` with `{"token"}`, or a function that gives a token
 * @property {boolean} [consent] true: given; false: refused; absent: not asked yet
 * @property {string} [service] its address; by default where this file came from
 */
export type Item = {
    item_id: string;
    title: string | null;
    brand: string | null;
    category: string | null;
    price: number | null;
    currency: string | null;
    url: string | null;
    image_url: string | null;
    available: boolean;
    score: number;
    reason: {
        code: string;
        text: string;
    };
};
export type Slate = {
    recommendation_id: string;
    placement: string;
    strategy: string;
    items: Item[];
    next_cursor?: string | null;
};
export type EventType = "home_view" | "category_view" | "search" | "view" | "cart_add" | "cart_remove" | "impression" | "click" | "dislike" | "undo";
export type Kept = {
    event_id: string;
    event_type: EventType;
    at: number;
    user?: string;
};
export type Credentials = {
    token: string;
    user: string;
    until: number;
    skew: number;
};
export type Options = {
    /**
     * the shop's address that answers a POST of
     * `{"anonymous_id"}` with `{"token"}`, or a function that gives a token
     */
    token: string | ((visitor: string) => Promise<string> | string);
    /**
     * true: given; false: refused; absent: not asked yet
     */
    consent?: boolean;
    /**
     * its address; by default where this file came from
     */
    service?: string;
};
/** @param {Options} given */
export declare function start(given: Options): void;
/** Whether the shopper agrees; false also forgets what was stored. @param {boolean} [given] */
export declare function consent(given?: boolean): void;
/**
 * Note what the shopper did; it is sent soon, or once there is a connection.
 * @param {EventType} type @param {string | object} [what] an item's id, or the event's fields
 */
export declare function track(type: EventType, what?: string | object): void;
/** Send what waits. */
export declare function flush(): Promise<void>;
/** Send what waits, then ask for all lists again. */
export declare function refresh(): Promise<void>;
/** The shopper signed in or out. */
export declare function renew(): Promise<void>;
declare const RecsysList_base: {
    new (): HTMLElement;
    prototype: HTMLElement;
};
/**
 * A list. Attributes: `placement`, `limit`, `category`, `brand`, `item` (of the page), `label` (for screen readers), `more` (text
 * of a button). A `<template>` in it is the card.
 */
export declare class RecsysList extends RecsysList_base {
    #private;
    static observedAttributes: string[];
    ask: {};
    /** @type {Slate | undefined} */
    slate: Slate | undefined;
    connectedCallback(): void;
    disconnectedCallback(): void;
    attributeChangedCallback(): void;
    get question(): {
        placement: string;
        limit?: number | undefined;
        category?: string | undefined;
        brand?: string[] | undefined;
        item_id?: string[] | undefined;
        cursor?: string | undefined;
    };
    more(): Promise<void>;
    loading(): void;
    kept(): void;
    /** @param {Slate} slate @param {number} ms that it took @param {string} [below] cursor of what stays above it */
    show(slate: Slate, ms: number, below?: string): void;
    /** @param {Event} event */
    handleEvent({ target }: Event): void;
}
export {};
