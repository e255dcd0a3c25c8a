"""Tests of the storefront: the kit, its clients and the shop to click."""
