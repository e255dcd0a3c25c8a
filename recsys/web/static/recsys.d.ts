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
export type Item = import("./types.js").Item;
export type Slate = import("./types.js").Slate;
export type EventType = import("./types.js").EventType;
export type Options = import("./types.js").Options;
export type Kept = import("./types.js").Kept;
export type Credentials = import("./types.js").Credentials;
/** @param {Options} given */
export declare function start(given: Options): void;
/** Whether the shopper agrees; false also forgets what was stored. @param {boolean} [given] */
export declare function consent(given?: boolean): void;
/** Note what the shopper did, and send it soon. @param {EventType} type @param {string | object} [what] an item's id, or the event's fields */
export declare function track(type: EventType, what?: string | object): void;
/** Send what waits. */
export declare function flush(): Promise<void>;
/** Send what waits, then ask for all lists. */
export declare function refresh(): Promise<void>;
/** The shopper signed in or out. */
export declare function renew(): Promise<void>;
declare const RecsysList_base: {
    new (): HTMLElement;
    prototype: HTMLElement;
};
/** A list. A `<template>` in it is the card. */
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
        limit: number | undefined;
        category: string | undefined;
        brand: "" | string[] | undefined;
        item_id: "" | string[] | undefined;
        cursor: string | undefined;
    };
    more(): Promise<void>;
    loading(): void;
    kept(): void;
    /** @param {Slate} slate @param {number} ms that it took @param {string} [below] */
    show(slate: Slate, ms: number, below?: string): void;
    /** @param {MouseEvent} event */
    handleEvent(event: MouseEvent): void;
}
export {};
