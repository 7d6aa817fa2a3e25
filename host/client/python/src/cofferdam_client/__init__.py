"""Starts runs of a Cofferdam instance, waits for them, and reads what they made.

    from cofferdam_client import Client

    run = Client().submit("squares", config={"ops": {"spread": {"config": {"n": 10}}}}).wait()
    print(run.output("total"))

The instance is one that shows pages: `cofferdam dev`, or `cofferdam serve` with `--workspace` or `--pages`.
"""

from ._client import Client, Run, Status
from ._errors import CofferdamError, NotFound, Refused, RunCanceled, RunFailed, Unauthorized, Unreachable

__all__ = [
    "Client",
    "CofferdamError",
    "NotFound",
    "Refused",
    "Run",
    "RunCanceled",
    "RunFailed",
    "Status",
    "Unauthorized",
    "Unreachable",
]
