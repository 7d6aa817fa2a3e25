"""An instance, and its runs."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cbor2

from ._errors import CofferdamError, NotFound, Refused, RunCanceled, RunFailed, Unauthorized
from ._http import Json, Pages

Status = Literal["QUEUED", "STARTED", "CANCELING", "SUCCESS", "FAILURE", "CANCELED"]

URL_DEFAULT = "http://127.0.0.1:4041"
# A run that is waited for is asked after this often; the first looks are closer together.
POLL_FIRST_S = 0.05
POLL_MAX_S = 1.0

_SUMMARY = "runId jobName status firstError parentRunId tags { key value }"
_PROBLEMS = "diagnostics { rendered }"
_REFUSED = f"""__typename ... on Error {{ message }}
  ... on RunConfigValidationInvalid {{ {_PROBLEMS} }}"""
_LAUNCH = f"""mutation($request: LaunchRequest!) {{ it: launchRun(request: $request) {{
  {_REFUSED} ... on LaunchRunSuccess {{ run {{ {_SUMMARY} }} }} }} }}"""
_AGAIN = f"""mutation($run: ID!, $strategy: ReexecutionStrategy!, $steps: [String!]!) {{
  it: launchRunReexecution(parentRunId: $run, strategy: $strategy, stepSelection: $steps) {{
    {_REFUSED} ... on LaunchRunSuccess {{ run {{ {_SUMMARY} }} }} }} }}"""
_CANCEL = "mutation($run: ID!) { it: terminateRun(runId: $run) { __typename ... on Error { message } } }"
_RUN = f"query($run: ID!) {{ it: runOrError(runId: $run) {{ __typename ... on Error {{ message }} ... on Run {{ {_SUMMARY} }} }} }}"
_OUTPUTS = """query($run: ID!) { it: runOrError(runId: $run) { __typename ... on Error { message }
  ... on Run { steps { key template outputs { name mappingKey } } } } }"""
_PREVIEW = """query($run: ID!, $step: String!, $output: String!, $key: String) {
  it: valuePreview(runId: $run, stepKey: $step, output: $output, mappingKey: $key) { mediaType url } }"""
_RUNS = f"""query($filter: RunsFilter!, $cursor: String, $limit: Int) {{
  it: runsOrError(filter: $filter, cursor: $cursor, limit: $limit) {{ __typename ... on Error {{ message }}
    ... on Runs {{ cursor results {{ {_SUMMARY} }} }} }} }}"""
# Runs of one answer.
_PAGE = 100


class Client:
    """An instance that shows pages. Without an address it is `COFFERDAM_URL`, or `cofferdam dev` on this host. Where the pages take a
    token, it is `token`, or what `COFFERDAM_TOKEN` holds, or the file that `COFFERDAM_TOKEN_FILE` names.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self._pages = Pages(url or os.environ.get("COFFERDAM_URL", URL_DEFAULT), token or _token())

    def submit(
        self,
        job: str,
        *,
        config: Mapping[str, Any] | str | None = None,
        tags: Mapping[str, str] | None = None,
        select: Sequence[str] = (),
        partition: str | None = None,
        environment: str | None = None,
        location: str | None = None,
    ) -> "Run":
        """Starts a run, and does not wait for it.

        `config` is a run config, as values or as YAML; `select` is which of the job's ops; `location` is the code location, where several
        have a job of that name. Raises `Refused` with all that is wrong with it, and `NotFound` if there is no such job.
        """
        request = {
            "jobName": job,
            "location": location,
            # JSON is YAML.
            "runConfigYaml": config if isinstance(config, str) else json.dumps(config) if config else "",
            "stepSelection": list(select),
            "partition": partition,
            "environment": environment,
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        }
        launched = self._ask(_LAUNCH, {"request": request}, "LaunchRunSuccess")
        return Run._of(self, launched["run"])

    def run(self, run_id: str) -> "Run":
        """A run, by its id or a unique start of it."""
        return Run._of(self, self._ask(_RUN, {"run": run_id}, "Run"))

    def runs(self, *, job: str | None = None, statuses: Sequence[Status] = ()) -> Iterator["Run"]:
        """Runs, the newest first; read page by page, as far as they are asked for."""
        wanted: Json = {}
        if job is not None:
            wanted["pipelineName"] = job
        if statuses:
            wanted["statuses"] = list(statuses)
        cursor = None
        while True:
            page = self._ask(_RUNS, {"filter": wanted, "cursor": cursor, "limit": _PAGE}, "Runs")
            yield from (Run._of(self, row) for row in page["results"])
            cursor = page["cursor"]
            if cursor is None:
                return

    def _ask(self, query: str, variables: Json, wanted: str) -> Json:
        """The answer to a question, if it is of the wanted type."""
        answer: Json = self._pages.ask(query, variables)["it"]
        typename = answer.get("__typename")
        if typename == wanted:
            return answer
        message = answer.get("message", f"the answer is {typename}")
        match typename:
            case "UnauthorizedError":
                raise Unauthorized(message)
            case "RunNotFoundError" | "PipelineNotFoundError":
                raise NotFound(message)
            case "RunConfigValidationInvalid":
                raise Refused(message, [found["rendered"].rstrip() for found in answer["diagnostics"]])
            case _:
                raise CofferdamError(message)


@dataclass(frozen=True)
class Run:
    """A run as it was when it was asked for; `refresh` asks anew."""

    id: str
    job: str
    status: Status
    #: The first failure, in a line.
    error: str | None
    #: The run that this one executes again.
    parent: str | None
    tags: Mapping[str, str]
    _client: Client

    @staticmethod
    def _of(client: Client, row: Json) -> "Run":
        tags = {tag["key"]: tag["value"] for tag in row["tags"]}
        return Run(row["runId"], row["jobName"], row["status"], row["firstError"], row["parentRunId"], tags, client)

    @property
    def is_over(self) -> bool:
        return self.status in ("SUCCESS", "FAILURE", "CANCELED")

    def refresh(self) -> "Run":
        """The same run as it is now."""
        return self._client.run(self.id)

    def wait(self, timeout: float | None = None) -> "Run":
        """Waits until it has succeeded. Raises `RunFailed` or `RunCanceled` if it did not, and `TimeoutError` after so many seconds; the
        run goes on then.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause = POLL_FIRST_S
        run = self
        while not run.is_over:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"run {self.id} has not ended after {timeout} s: it is {run.status}")
            time.sleep(pause)
            pause = min(pause * 2, POLL_MAX_S)
            run = self.refresh()
        if run.status == "FAILURE":
            raise RunFailed(run.id, run.error)
        if run.status == "CANCELED":
            raise RunCanceled(run.id)
        return run

    def cancel(self) -> None:
        """Asks for its end: nothing new starts, and it is cancelled when what runs has ended."""
        self._client._ask(_CANCEL, {"run": self.id}, "TerminateRunSuccess")

    def again(self, *, from_failure: bool = False, select: Sequence[str] = ()) -> "Run":
        """Executes it again: all of it, from what failed, or these steps. What is not executed again is taken over."""
        strategy = "FROM_FAILURE" if from_failure else "SELECTION" if select else "ALL_STEPS"
        variables = {"run": self.id, "strategy": strategy, "steps": list(select)}
        return Run._of(self._client, self._client._ask(_AGAIN, variables, "LaunchRunSuccess")["run"])

    def output(self, step: str, output: str = "result") -> Any:
        """What a step has made, as a value. Of a dynamic output it is all of it by mapping key; of a mapped step, given without its
        brackets, what each copy has made by the copy's key.

        CBOR and JSON become values, text a `str`, everything else is `bytes`.
        """
        steps = self._client._ask(_OUTPUTS, {"run": self.id}, "Run")["steps"]
        of = {one["key"]: [made for made in one["outputs"] if made["name"] == output] for one in steps}
        if step in of:
            return self._made(step, output, of[step])
        copies = {key: made for key, made in of.items() if key.startswith(f"{step}[")}
        if not copies:
            known = ", ".join(sorted({one["template"] for one in steps}))
            raise NotFound(f"run {self.id} has no step `{step}`; it has {known}")
        return {key[len(step) + 1 : -1]: self._made(key, output, made) for key, made in copies.items() if made}

    def _made(self, step: str, output: str, made: list[Json]) -> Any:
        if not made:
            raise NotFound(f"step `{step}` of run {self.id} has no output `{output}`, or has not made it")
        if made[0]["mappingKey"] is None:
            return self._value(step, output, None)
        return {one["mappingKey"]: self._value(step, output, one["mappingKey"]) for one in made}

    def _value(self, step: str, output: str, key: str | None) -> Any:
        variables = {"run": self.id, "step": step, "output": output, "key": key}
        found = self._client._pages.ask(_PREVIEW, variables)["it"]
        if found is None:
            raise NotFound(f"the value of `{step}.{output}` of run {self.id} is not there any more")
        return _decode(found["mediaType"], self._client._pages.value(found["url"]))


def _token() -> str | None:
    if token := os.environ.get("COFFERDAM_TOKEN"):
        return token
    if file := os.environ.get("COFFERDAM_TOKEN_FILE"):
        return Path(file).read_text().strip()
    return None


def _decode(media_type: str, content: bytes) -> Any:
    if media_type == "application/cbor":
        return cbor2.loads(content)
    if media_type == "application/json":
        return json.loads(content)
    if media_type.startswith("text/"):
        return content.decode()
    return content
