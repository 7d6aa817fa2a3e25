"""Asks Dagster itself what each selection selects, and writes the answers to table.json beside this file.

    python3 -m venv venv && venv/bin/pip install dagster==1.13.28 && venv/bin/python generate.py

A row is a selection alone, or with what Cofferdam gives instead on purpose and the reason: then these are in
`ours` and `differs` beside Dagster's answer, and a test fails if the two do not differ.
"""

import json
import logging
import pathlib

import dagster as dg
from dagster._core.definitions.events import AssetKey
from dagster._core.execution.api import create_execution_plan
from dagster._core.selector.subset_selector import parse_step_selection

logging.disable(logging.CRITICAL)

REFUSED = "error"

# Reasons for which Cofferdam answers differently.
OPERATORS = "operators work on dotted paths too"
UNION = "a list is the union of its clauses"
CUT = "Dagster cannot cut this part out of the job; whether a part can run alone is for the plan to say"
STAR = "`*` is an expression of its own, so it may stand beside others in a list"
GRAMMAR = "one grammar: the boolean language selects ops too"
UNKNOWN = "a name that nothing bears is an error instead of nothing"
EMPTY = "an empty selection is an error"
NULL = "`<null>` means that the attribute is absent"
BARE = "a value needs quotes only where it could be read in another way"
KEYWORD = "after `key:` comes a value, whatever it is called"
PREFIX = "the name of a graph, or of a mapped step, stands for all that it holds"


def op(name, *inputs, dynamic=False):
    """An op that runs without its inputs, so that any part of a job can run alone."""

    def body(context, **_):
        if dynamic:
            yield dg.DynamicOutput(1, mapping_key="x")
            yield dg.DynamicOutput(2, mapping_key="y")
        else:
            yield dg.Output(1)

    ins = {i: dg.In(default_value=None) for i in inputs}
    return dg.op(name=name, ins=ins, out=dg.DynamicOut() if dynamic else dg.Out())(body)


def diamond():
    @dg.job
    def diamond():
        a = op("a")()
        op("side")()
        op("d", "x", "y")(x=op("b", "x")(x=a), y=op("c", "x")(x=a))

    return diamond


def chain():
    @dg.job
    def chain():
        value = op("s1")()
        for n in range(2, 8):
            value = op(f"s{n}", "x")(x=value)

    return chain


def nested():
    @dg.graph
    def inner(x):
        return op("leaf2", "x")(x=op("leaf1", "x")(x=x))

    @dg.graph
    def outer(x):
        made = inner(x)
        op("aside", "x")(x=made)
        return op("tail", "x")(x=made)

    @dg.graph
    def other(x):
        return op("o2", "x")(x=op("o1", "x")(x=x))

    @dg.job
    def nested():
        head = op("head")()
        op("last", "x")(x=other(outer(head)))
        op("beside", "x")(x=head)

    return nested


def mapped():
    @dg.job
    def mapped():
        work = op("work", "x")
        after = op("after", "x")
        op("gather", "x")(x=op("split", dynamic=True)().map(lambda v: after(x=work(x=v))).collect())

    return mapped


OP_ROWS = [
    ("diamond", [
        ["a"], ["*a"], ["a*"], ["+a"], ["a+"], ["d"], ["*d"], ["d*"], ["+d"], ["++d"], ["d+"], ["b"], ["*b*"],
        ["+b+"], ["*b+"], ["+b*"], ["side"], ["*side*"], ["b", "c"], ["+b", "+c"], ["a", "side"], ["a++"],
        ["a+++"], ["*+d"], ["a+*"], [" b "], ["\tb\n"], ["*"], ["b", "b"], ["+d", "side+"], ["*d", "side"],
        (["*", "a"], ["a", "b", "c", "d", "side"], STAR), ["+*a"], ["**a"], ["2+a"],
        ["a b"], ["nope"], ["a", "nope"], [""], ["+"], ["a+ "],
        ["-a"], ["a,b"], (["name:a"], ["a"], GRAMMAR), ["a + b"],
        (["1+name:d", "side"], ["b", "c", "d", "side"], GRAMMAR), (["sinks(*)"], ["d", "side"], GRAMMAR),
        (["not name:b and not name:c"], ["a", "d", "side"], GRAMMAR),
    ]),
    ("chain", [
        ["s4"], ["+s4"], ["++s4"], ["+++s4"], ["++++s4"], ["*s4"], ["s4+"], ["s4++"], ["s4+++"], ["s4*"],
        ["++s4++"], ["+s4*"], ["*s4++"], ["+s1"], ["s7+"], ["*s7*"], ["+s2", "s6+"], ["++s4", "s4"], ["*+++s4"],
        ["s4+++*"], ["S4"],
    ]),
    ("nested", [
        ["outer"], ["outer*"], ["*outer"], ["+outer"], ["outer+"], ["outer++"], ["head+"], ["*last"], ["+last"],
        ["outer.inner"], ["outer.inner.leaf1"], ["outer.tail"],
        (["outer.inner.leaf2", "outer.tail"], ["outer.inner.leaf2", "outer.tail"], CUT),
        ["outer.inner", "last"], (["head", "outer.aside", "last"], ["head", "last", "outer.aside"], CUT),
        (["other.o1", "other"], ["other.o1", "other.o2"], UNION), ["other", "beside"],
        (["outer.inner+"], ["outer.aside", "outer.inner.leaf1", "outer.inner.leaf2", "outer.tail"], OPERATORS),
        (["*outer.tail"], ["head", "outer.inner.leaf1", "outer.inner.leaf2", "outer.tail"], OPERATORS),
        (["+outer.inner.leaf2"], ["outer.inner.leaf1", "outer.inner.leaf2"], OPERATORS),
        (["outer.tail+"], ["other.o1", "outer.tail"], OPERATORS),
        (["+last", "outer.tail"], ["last", "other.o1", "other.o2", "outer.tail"], OPERATORS),
        (["head*", "outer.tail"], ["beside", "head", "last", "other.o1", "other.o2", "outer.aside",
                                   "outer.inner.leaf1", "outer.inner.leaf2", "outer.tail"], OPERATORS),
        ["outer.nope"], ["head.nope"], ["nope.leaf1"], ["leaf1"], ["inner"], ["outer.inner.leaf1.x"], ["outer."],
        [".outer"], ["outer..inner"],
    ]),
    ("mapped", [
        ["split"], ["split+"], ["split*"], (["+gather"], ["after", "gather"], CUT),
        ["*gather"], ["work"], ["*after"], ["work+"], ["+work+"],
    ]),
]

STEP_DEPS = {
    "split": [],
    "work[x]": ["split"],
    "work[y]": ["split"],
    "after[x]": ["work[x]"],
    "after[y]": ["work[y]"],
    "gather": ["after[x]", "after[y]"],
    "outer.inner.leaf": ["gather"],
    "outer.tail": ["outer.inner.leaf"],
    "cell[a][b]": ["split"],
    "cell[a][c]": ["split"],
}

STEP_ROWS = [
    ["split"], ["work[x]"], ["work[x]*"], ["*after[y]"], ["+gather"], ["++gather"], ["work[x]", "work[y]"],
    ["outer.inner.leaf+"], ["+outer.tail"], ["*outer.inner.leaf"], ["cell[a][b]"], ["+cell[a][c]"], ["split+"],
    ["work[z]"], ["work[z]", "nope", "split"], (["work"], ["work[x]", "work[y]"], PREFIX),
    (["outer"], ["outer.inner.leaf", "outer.tail"], PREFIX),
    (["work[?]"], ["work[x]", "work[y]"], PREFIX), (["cell[a]"], ["cell[a][b]", "cell[a][c]"], PREFIX),
    (["+after"], ["after[x]", "after[y]", "work[x]", "work[y]"], PREFIX), [" gather "],
]


def asset_defs():
    def made(key, deps=(), **kwargs):
        @dg.asset(key=key.split("/"), deps=[AssetKey(d.split("/")) for d in deps], **kwargs)
        def body():
            pass

        return body

    days = dg.DailyPartitionsDefinition(start_date="2026-01-01")

    @dg.asset(
        key=["marts", "rolling"],
        group_name="marts",
        partitions_def=days,
        deps=[
            dg.AssetDep(
                AssetKey(["marts", "rolling"]),
                partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1),
            ),
            AssetKey(["staging", "orders"]),
        ],
    )
    def rolling():
        pass

    return [
        dg.AssetSpec(["ext", "feed"], group_name="raw", owners=["ann@example.com"], tags={"tier": "gold"},
                     kinds={"s3"}),
        made("raw/orders", ["ext/feed"], group_name="raw", owners=["ann@example.com"], kinds={"python", "s3"}),
        made("raw/customers", group_name="raw", owners=["team:sales"], tags={"tier": "gold"}),
        made("staging/orders", ["raw/orders"], group_name="staging", tags={"tier": "silver"}, kinds={"sql"}),
        made("staging/customers", ["raw/customers"], group_name="staging", tags={"tier": "silver", "pii": ""}),
        made("marts/daily", ["staging/orders", "staging/customers"], group_name="marts",
             owners=["ann@example.com", "team:sales"], kinds={"sql"}),
        rolling,
        made("report", ["marts/daily"], group_name="marts", tags={"tier": "gold"}),
        made("lonely"),
        made("orders", ["report"]),
    ]


ASSET_ROWS = [
    "*", 'key:"report"', "key:report", 'key:"raw/orders"', "key:raw/orders", "key:raw/*", 'key:"raw/*"',
    'key:"*orders"', "key:*orders", 'key:"*/orders"', 'key:"*a*"', 'key:"*"', 'key:"staging/*" or key:"lonely"',
    '+key:"marts/daily"', '1+key:"marts/daily"', '2+key:"marts/daily"', '3+key:"marts/daily"',
    '0+key:"marts/daily"', 'key:"raw/orders"+', 'key:"raw/orders"+1', 'key:"raw/orders"+2', 'key:"raw/orders"+0',
    '+key:"staging/orders"+', '1+key:"staging/orders"+1', '+key:"staging/orders"+1', '1+key:"staging/orders"+',
    '+key:"raw/*"', 'key:"raw/*"+1', 'group:"raw"', "group:raw", 'group:"marts"', 'group:"s*"', 'group:"*"',
    'group:"default"', 'owner:"ann@example.com"', 'owner:"team:sales"', 'tag:"tier"="gold"', "tag:tier=gold",
    'tag:"tier"="silver"', 'tag:"pii"', "tag:pii", 'kind:"s3"', "kind:sql", 'kind:"python" or kind:"sql"',
    "kind:<null>", "is:external", "is:materializable", 'is:"external"', "not is:external",
    'sinks(*)', 'roots(*)', 'sinks(group:"staging")', 'roots(group:"staging")', 'roots(key:"*orders")',
    'sinks(key:"*orders")', 'sinks(group:"marts")', 'roots(group:"marts")', 'sinks(key:"marts/rolling")',
    'sinks(group:"raw" or key:"report")', 'roots(group:"raw" or key:"report")', 'roots(is:external or kind:sql)',
    'sinks(+key:"marts/daily")', 'roots(+key:"marts/daily")+1', '+sinks(*)', 'roots(*)+',
    'not key:"report"', 'NOT key:"report"', 'not group:"marts"', 'group:"marts" and kind:"sql"',
    'group:"marts" AND kind:"sql"', 'group:"raw" OR group:"staging"', 'not group:"raw" and not group:"staging"',
    'group:"raw" or group:"staging" and tag:"tier"="gold"', '(group:"raw" or group:"staging") and tag:"tier"="gold"',
    'not group:"raw" or group:"raw"', 'not (group:"raw" or group:"staging")', 'not not group:"raw"',
    'not key:"raw/*"+', '+key:"report" and not key:"raw/*"', '(key:"raw/orders" or key:"raw/customers")+1',
    '1+(group:"marts")', '(*)', '+(*)', '((key:report))', 'key:"report"and key:"*"',
    '  key : report  ', 'key:report\nor\nkey:lonely', 'group:"raw" and +key:"report"',
    'key:"ext/feed"+', 'key:"ext/feed"+1', '+key:"ext/feed"+1', 'key:"ext/*" or key:"raw/*"', "ext/feed", "ext/feed++",
    '+(key:"ext/feed" or key:"report")', 'not key:"ext/feed"', 'sinks(key:"ext/feed"+1)', 'is:external+1',
    'kind:s3 and owner:"ann@example.com"', 'not kind:<null>', 'not owner:"team:sales"', 'tag:"pii"=""',
    # Old clauses.
    "report", "+report", "*report", "report+", "raw/orders", "*raw/orders*", "raw/orders++", "++marts/daily",
    "+staging/orders+", "*+report", " report ", "lonely*", "+*report", "2+report", "nope", "",
    # Refused, or other on purpose.
    ('key:"nope"', REFUSED, UNKNOWN), ('key:"nope" or key:"report"', REFUSED, UNKNOWN),
    ('not key:"nope"', REFUSED, UNKNOWN), ('key:"nope*"', REFUSED, EMPTY), ('group:"nope"', REFUSED, EMPTY),
    ('kind:"nope"', REFUSED, EMPTY), ('tag:"tier"', REFUSED, EMPTY), ("not *", REFUSED, EMPTY),
    ('+key:"ext/feed"', REFUSED, EMPTY),
    ('key:"report" and key:"lonely"', REFUSED, EMPTY), ("group:<null>", REFUSED, EMPTY),
    ("owner:<null>", ["lonely", "marts/rolling", "orders", "report", "staging/customers", "staging/orders"], NULL),
    ("tag:<null>", ["lonely", "marts/daily", "marts/rolling", "orders", "raw/orders"], NULL),
    ("owner:ann@example.com", ["ext/feed", "marts/daily", "raw/orders"], BARE),
    ("group:s*", ["staging/customers", "staging/orders"], BARE),
    "is:nope", ("group:staging or group:not", ["staging/customers", "staging/orders"], KEYWORD),
    "key:", "key report", "and", "key:report and", "(key:report", "key:report)", "not", "++key:report",
    "key:report++", "key:report key:lonely", "sinks", "sinks()", "sinks(key:report", "roots key:report",
    "colour:red", "key:<null>", "And key:report", "key:report And key:lonely", "report or lonely",
    "+not key:report", "*+", '"report"', "key:'report'", "is:<null>", "**", "key:report=x",
]


def row(graph, entry, ask):
    """What Dagster answers, and what we do if that is something else."""
    selection, ours, differs = entry if isinstance(entry, tuple) else (entry, None, None)
    listed = [selection] if isinstance(selection, str) else selection
    try:
        answer = ask(selection)
    except Exception as error:
        answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:160]}
    return {"graph": graph, "selection": listed, **answer, **({"ours": ours, "differs": differs} if differs else {})}


def op_rows():
    graphs, rows = {}, []
    for (name, selections), job in zip(OP_ROWS, [diamond(), chain(), nested(), mapped()], strict=True):
        deps = create_execution_plan(job).get_all_step_deps()
        graphs[name] = {
            "traversal": "levels",
            "nodes": [{"name": bare(key), "deps": sorted(map(bare, up))} for key, up in deps.items()],
        }
        rows += [row(name, entry, lambda selection, job=job: run(job, selection)) for entry in selections]
    return graphs, rows


def bare(step_key):
    return step_key.replace("[?]", "")


def run(job, selection):
    """What really runs: the ops that succeed, by their dotted paths."""
    result = job.execute_in_process(op_selection=selection)
    events = result.filter_events(lambda event: event.is_step_success)
    return {"selected": sorted({str(event.node_handle) for event in events})}


def step_rows():
    graph = {
        "traversal": "flat",
        "nodes": [{"name": key, "deps": deps} for key, deps in STEP_DEPS.items()],
    }
    deps = {key: set(up) for key, up in STEP_DEPS.items()}
    rows = [
        row("steps", entry, lambda selection: {"selected": sorted(parse_step_selection(deps, selection))})
        for entry in STEP_ROWS
    ]
    return {"steps": graph}, rows


def asset_rows():
    graph = dg.Definitions(assets=asset_defs()).resolve_asset_graph()
    nodes = [
        {
            "name": key.to_user_string(),
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "external": graph.get(key).is_external,
            "group": graph.get(key).group_name,
            "owners": sorted(graph.get(key).owners),
            "kinds": sorted(graph.get(key).kinds),
            "tags": {k: v for k, v in graph.get(key).tags.items() if not k.startswith("dagster/kind/")},
        }
        for key in graph.toposorted_asset_keys
    ]
    rows = [row("assets", entry, lambda text: resolve(graph, text)) for entry in ASSET_ROWS]
    return {"assets": {"traversal": "flat", "nodes": nodes}}, rows


def resolve(graph, text):
    """The keys, and Dagster's own normal form, unless Dagster reads it as something else."""

    def keys(selection):
        return sorted(key.to_user_string() for key in selection.resolve(graph))

    selection = dg.AssetSelection.from_string(text)
    normal = str(selection)
    try:
        holds = keys(dg.AssetSelection.from_string(normal)) == keys(selection)
    except dg.DagsterInvalidSubsetError:
        raise
    except Exception:
        holds = False
    return {"selected": keys(selection), **({"normal": normal} if holds else {})}


def main():
    graphs, rows = {}, []
    for part in (op_rows, step_rows, asset_rows):
        more_graphs, more_rows = part()
        graphs |= more_graphs
        rows += more_rows
    lines = ",\n".join("    " + json.dumps(entry) for entry in rows)
    graph_lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(graph)}" for name, graph in graphs.items())
    path = pathlib.Path(__file__).parent / "table.json"
    path.write_text(
        f'{{\n  "dagster": {json.dumps(dg.__version__)},\n  "graphs": {{\n{graph_lines}\n  }},\n'
        f'  "rows": [\n{lines}\n  ]\n}}\n'
    )


main()
