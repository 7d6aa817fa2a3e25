// Lays graphs out away from the page's thread: a thousand steps take seconds.
import dagre from "@dagrejs/dagre";

export type LayoutRequest = { id: number; nodes: { id: string; width: number; height: number }[]; edges: [string, string][]; direction: "LR" | "TB" };
export type LayoutAnswer = { id: number; places: { [node: string]: { x: number; y: number } } };

addEventListener("message", ({ data }: MessageEvent<LayoutRequest>) => {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: data.direction, nodesep: 24, ranksep: data.direction === "LR" ? 48 : 40, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of data.nodes) graph.setNode(id, { width, height });
  for (const [from, to] of data.edges) graph.setEdge(from, to);
  dagre.layout(graph);
  const places = Object.fromEntries(data.nodes.map(({ id, width, height }) => {
    const { x, y } = graph.node(id);
    return [id, { x: x - width / 2, y: y - height / 2 }];
  }));
  postMessage({ id: data.id, places } satisfies LayoutAnswer);
});
