"""The library of tests/conformance/README.md in Python."""

import context
import failing
import large
import values

__all__ = ["context", "failing", "large", "values"]
