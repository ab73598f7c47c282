"""Asking sites over HTTPS and downloading from them so that nothing is lost: below every room that does it."""
