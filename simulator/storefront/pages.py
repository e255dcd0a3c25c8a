"""The front's pages, its token endpoint, and the questions of the panel beside them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, abort, jsonify, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as Redirect

from simulator.storefront.goods import Good, Shelves
from simulator.storefront.pictures import picture
from simulator.storefront.service import VISITOR, RecommendationService, Reply

ON_A_SHELF = 12
"""Goods that a page of a category shows by itself."""
MOST_IN_CART = 20
WATCHES = "Fashion > Accessories > Watches"
WINDOW_SHOPPING = ("Home > Décor > Vases", "Fashion > Women > Bags", "Gourmet > Kitchen > Mugs")
"""Categories that the walks lead through."""
_PLACEMENT = re.compile("[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Front:
    """Parts that the pages are made from."""

    shelves: Shelves
    service: RecommendationService
    address: str
    """Of the service, as browsers reach it."""

    def good(self, item_id: str) -> Good:
        """A good by its id, or 404."""
        return self.shelves.goods.get(item_id) or abort(404)


def register(app: Flask, front: Front) -> None:
    """Give the application its pages."""
    _add_pages(app, front)
    _add_actions(app, front)
    _add_panel(app, front)
    origin = re.match(r"https?://[^/]+", front.address)
    policy = (
        f"default-src 'none'; script-src 'self' {origin[0] if origin else ''}; connect-src 'self' {front.address}; "
        "img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {
            "service": front.address,
            "departments": front.shelves.departments,
            "people": front.shelves.people,
            "signed_in": session.get("user_id"),
            "in_cart": session.get("cart", []),
        }


def _add_pages(app: Flask, front: Front) -> None:
    goods = front.shelves.goods

    @app.get("/")
    def home() -> str:
        return render_template("home.html", ours=[good for good in goods.values() if good.available][:8])

    @app.get("/category/<path:name>")
    def category(name: str) -> str:
        found = front.shelves.by_category.get(name) or abort(404)
        below = sorted({each.category for each in found} - {name})
        return render_template("category.html", name=name, goods=found[:ON_A_SHELF], below=below)

    @app.get("/products/<item_id>")
    def product(item_id: str) -> str:
        good = front.good(item_id)
        return render_template("product.html", good=good, others=front.shelves.by_category[good.category][:6])

    @app.get("/cart")
    def cart() -> str:
        return render_template(
            "cart.html", goods=[goods[item_id] for item_id in session.get("cart", []) if item_id in goods]
        )

    @app.get("/orders/<order_id>")
    def order(order_id: str) -> str:
        return render_template("order.html", order_id=order_id)

    @app.get("/images/<item_id>.jpg")
    def image(item_id: str) -> Response:
        good = front.good(item_id)
        drawn = Response(picture(good.category, good.variant), mimetype="image/svg+xml")
        drawn.headers["Cache-Control"] = "public, max-age=86400"
        return drawn

    @app.get("/walks.json")
    def walks() -> Response:
        def ids(category: str) -> list[str]:
            return [good.item_id for good in front.shelves.compared(category)]

        return jsonify(
            watches={"category": WATCHES, "items": ids(WATCHES)},
            windows=[{"category": name, "items": ids(name)[:1]} for name in WINDOW_SHOPPING],
            dormant=front.shelves.people["dormant"][:1],
        )


def _add_actions(app: Flask, front: Front) -> None:
    @app.post("/recsys/token")
    def token() -> Response:
        asked = request.get_json(silent=True)
        visitor = asked.get("anonymous_id") if isinstance(asked, dict) else None
        if isinstance(visitor, str) and VISITOR.fullmatch(visitor):
            session["visitor"] = visitor
        shopper = _shopper() or abort(400)
        return jsonify(token=front.service.token(shopper))

    @app.post("/sign-in")
    def sign_in() -> Redirect:
        user_id = request.form.get("user_id", "").strip()[:100]
        session.pop("cart", None)
        session["user_id"] = user_id or None
        return redirect(url_for("home"))

    @app.post("/cart")
    def put() -> Redirect:
        good, cart = front.good(request.form.get("item_id", "")), session.get("cart", [])
        session["cart"] = [*dict.fromkeys([*cart, good.item_id])][-MOST_IN_CART:]
        return redirect(url_for("cart"))

    @app.post("/orders")
    def buy() -> Redirect:
        lines = [
            (good.item_id, good.price) for item_id in session.get("cart", []) if (good := front.shelves.goods.get(item_id))
        ]
        if not lines:
            return redirect(url_for("cart"))
        shopper, order_id = _shopper() or abort(400), f"front-{uuid.uuid4().hex[:12]}"
        front.service.order(shopper, order_id, lines)
        session.pop("cart", None)
        return redirect(url_for("order", order_id=order_id))


def _add_panel(app: Flask, front: Front) -> None:
    """Return what the people who look after a shop may ask, of the shopper of this very session only."""

    @app.get("/panel/profile")
    def profile() -> tuple[Response, int]:
        return _reply_of(front.service.profile(_shopper() or abort(404)))

    @app.get("/panel/explain")
    def explain() -> tuple[Response, int]:
        placement = request.args.get("placement", "home")
        items = [item_id for item_id in request.args.getlist("item_id") if item_id in front.shelves.goods]
        limit = request.args.get("limit", 12, int)
        if not items or not _PLACEMENT.fullmatch(placement) or not 1 <= limit <= 100:
            abort(400)
        return _reply_of(front.service.explain(_shopper() or abort(404), items[:20], placement, limit))


def _reply_of(reply: Reply) -> tuple[Response, int]:
    return jsonify(answer=reply.body, ms=reply.ms), reply.status or 503


def _shopper() -> str | None:
    """Find who is signed in, else the visitor whose browser asked for a token."""
    found: str | None = session.get("user_id") or session.get("visitor")
    return found
