"""A page that cannot be imported, for the test that this is not hidden."""

import no_such_module  # type: ignore[import-not-found]  # noqa: F401
