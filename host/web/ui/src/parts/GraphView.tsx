// A graph of typed steps. A run laid over it colours the boxes. Laid out in a worker; boxes are reached by Tab, opened by Enter.
import { Background, Controls, type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import "./graph.css";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { Graph, RunStep } from "../api/types";
import { byTemplate } from "../lib/gantt";
import { type Box, boxes, type Line, type Overlay, overlay } from "../lib/graph";
import { duration } from "../lib/time";
import { t } from "../strings";
import { Loading } from "./basics";
import type { LayoutAnswer, LayoutRequest } from "./layout.worker";
import { typeWord } from "./Ports";
import { lookOf, Status, type Tone } from "./Status";

const WIDTH_PX = 216;
const HEAD_PX = 52;
const PORT_PX = 20;

type Props = { graph: Graph; steps?: RunStep[]; selected?: string; onSelect?: (step: string) => void; ports?: boolean; picked?: ReadonlySet<string>; tones?: ReadonlyMap<string, Tone> };
type Direction = LayoutRequest["direction"];
type Shown = { box: Box; over: Overlay | null; ports: boolean; picked: boolean; tone: Tone | undefined; direction: Direction };
type BoxNode = Node<Shown, "box">;

/** Narrower than this, the graph goes down instead of to the right. */
const NARROW_PX = 640;
const HEIGHT_MIN_PX = 260;
const HEIGHT_MAX_PX = 560;
const ROOM_PX = 80;

export default function GraphView(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const [direction, setDirection] = useState<Direction | null>(null);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setDirection(entry!.contentRect.width < NARROW_PX ? "TB" : "LR"));
    observer.observe(holder.current!);
    return () => observer.disconnect();
  }, []);
  return <div ref={holder}>{direction && <ReactFlowProvider><Inner {...props} direction={direction} /></ReactFlowProvider>}</div>;
}

function Inner({ graph, steps, selected, onSelect, ports = false, picked, tones, direction }: Props & { direction: Direction }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const shown = useMemo(() => boxes(graph, open), [graph, open]);
  const places = useLayout(shown, ports, direction);
  const copies = useMemo(() => (steps ? byTemplate(steps, []) : new Map<string, RunStep[]>()), [steps]);
  const nodes = useMemo(() => places && shown.boxes.filter((box) => places[box.id]).map((box): BoxNode => ({
    id: box.id, type: "box", position: places[box.id]!, width: WIDTH_PX, height: heightOf(box, ports),
    selected: !!selected && (box.id === selected || box.id === selected.replace(/\[.*/, "")),
    data: { box, over: overlay(box, copies), ports, picked: picked?.has(box.id) ?? false, tone: tones?.get(box.id), direction }, ariaLabel: box.label, draggable: false, connectable: false,
  })), [places, shown, copies, ports, selected, picked, tones, direction]);
  const edges = useMemo(() => shown.lines.map((line): Edge => ({
    id: `${line.from} ${line.to}`, source: line.from, target: line.to, focusable: false, markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16, color: "var(--muted)" }, ariaLabel: line.labels.join(", "),
  })), [shown]);
  if (!nodes) return <Loading what={t.graph.layout} />;
  const bottom = Math.max(0, ...nodes.map((node) => node.position.y + node.height!));
  const height = Math.min(HEIGHT_MAX_PX, Math.max(HEIGHT_MIN_PX, bottom + ROOM_PX));
  const act = (box: Box) => (box.kind === "group" ? setOpen(new Set([...open, box.id])) : onSelect?.(box.id));
  return (
    <div className="graph" style={{ height }} data-graph={nodes.length} onKeyDown={(e) => {
      const id = (e.target as HTMLElement).closest<HTMLElement>(".react-flow__node")?.dataset.id;
      const box = shown.boxes.find((candidate) => candidate.id === id);
      if (box && (e.key === "Enter" || e.key === " ")) {
        e.preventDefault();
        act(box);
      }
    }}>
      <ReactFlow nodes={nodes} edges={edges} nodeTypes={NODE_TYPES} fitView fitViewOptions={{ maxZoom: 1, padding: 0.08 }} minZoom={0.05} maxZoom={2} nodesDraggable={false} nodesConnectable={false}
        onNodeClick={(_, node) => act(node.data.box)} zoomOnDoubleClick={false} preventScrolling={false} zoomOnScroll={false} proOptions={{ hideAttribution: true }} aria-label={t.graph.label}>
        <Background gap={24} color="var(--line)" />
        <Controls showInteractive={false} aria-label={t.zoom.label} />
        <Refit key={`${Object.keys(places ?? {}).length} ${height}`} />
      </ReactFlow>
    </div>
  );
}

/** What was folded or opened is brought into sight. */
function Refit() {
  const flow = useReactFlow();
  useEffect(() => {
    const frame = requestAnimationFrame(() => void flow.fitView({ maxZoom: 1, padding: 0.08 }));
    return () => cancelAnimationFrame(frame);
  }, [flow]);
  return null;
}

const heightOf = (box: Box, ports: boolean) => HEAD_PX + (ports && box.step ? Math.max(box.step.inputs.length, box.step.outputs.length) * PORT_PX : 0);

const boxClass = (tone: Tone | undefined) => (tone ? `box tone-${tone}` : "box");

const BoxView = memo(({ data: { box, over, ports, picked, tone, direction }, selected }: NodeProps<BoxNode>) => (
  <div className={boxClass(over ? lookOf(over.status).tone : tone)} data-box={box.id} data-selected={selected || undefined} data-picked={picked || undefined} data-state={over?.status}>
    <Handle type="target" position={direction === "LR" ? Position.Left : Position.Top} isConnectable={false} />
    <div className="flex h-[50px] flex-col justify-center px-2.5">
      <p className="flex items-center gap-1.5 leading-tight">
        {over && <Status status={over.status} iconOnly />}
        <span className="truncate font-semibold" title={box.label}>{box.label}</span>
        {box.step?.mapped && <span className="chip ml-auto px-1">{over && over.total > 1 ? `${over.done}/${over.total}` : t.graph.mapped}</span>}
      </p>
      <p className="flex gap-2 truncate text-xs leading-tight text-muted"><span className="truncate">{box.kind === "group" ? t.graph.group(box.steps.length) : box.sub}</span>{over?.seconds != null && <span className="ml-auto shrink-0">{duration(over.seconds)}</span>}</p>
    </div>
    {ports && box.step && (
      <div className="grid grid-cols-2 gap-x-2 border-t border-line px-2.5 text-[11px]">
        <div className="min-w-0">{box.step.inputs.map((port) => <p key={port.name} className="h-5 truncate leading-5" title={`${port.name}: ${typeWord(port)}`}>{port.name} <span className="text-muted">{typeWord(port)}</span></p>)}</div>
        <div className="min-w-0 text-right">{box.step.outputs.map((port) => <p key={port.name} className="h-5 truncate leading-5" title={`${port.name}: ${typeWord(port)}`}><span className="text-muted">{typeWord(port)}</span> {port.name}</p>)}</div>
      </div>
    )}
    <Handle type="source" position={direction === "LR" ? Position.Right : Position.Bottom} isConnectable={false} />
  </div>
));
const NODE_TYPES = { box: BoxView };

type Places = LayoutAnswer["places"];

function useLayout(shown: { boxes: Box[]; lines: Line[] }, ports: boolean, direction: Direction): Places | null {
  const [places, setPlaces] = useState<Places | null>(null);
  useEffect(() => {
    const worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
    const request: LayoutRequest = {
      id: 0, direction, edges: shown.lines.map((line) => [line.from, line.to]),
      nodes: shown.boxes.map((box) => ({ id: box.id, width: WIDTH_PX, height: heightOf(box, ports) })),
    };
    worker.addEventListener("message", ({ data }: MessageEvent<LayoutAnswer>) => setPlaces(data.places));
    worker.postMessage(request);
    return () => worker.terminate();
  }, [shown, ports, direction]);
  return places;
}
