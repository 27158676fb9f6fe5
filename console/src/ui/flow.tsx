// A graph of boxes and ways, laid out by ELK in a worker. It is one tab stop; the boxes within are links.

import { Background, BaseEdge, Controls, EdgeLabelRenderer, Handle, MarkerType, Position, ReactFlow, ReactFlowProvider, useReactFlow, useStore, type Edge, type EdgeProps, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import ELK, { type ElkNode } from "elkjs/lib/elk-api.js";
import ElkWorker from "elkjs/lib/elk-worker.min.js?worker";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { tone, word } from "../lib/state";
import { useDark } from "../shell/theme";
import { ToneIcon } from "./icons";

interface FlowNode { id: string; label: string; detail?: ReactNode; state?: string | undefined; small?: boolean }
interface FlowEdge { id: string; from: string; to: string; label?: string | undefined; dashed?: boolean; strong?: boolean }

interface FlowProps { nodes: FlowNode[]; edges: FlowEdge[]; label: string; direction?: "DOWN" | "RIGHT"; selected?: string | undefined; onSelect?: (id: string) => void; height: number | string }

let elk: InstanceType<typeof ELK> | undefined;
const layouter = (): InstanceType<typeof ELK> => (elk ??= new ELK({ workerFactory: () => new ElkWorker() }));

const WIDTH = 208;
const HEIGHT = 50;
const SMALL = { width: 60, height: 28 };

type Data = FlowNode & { chosen: boolean; down: boolean; onSelect: ((id: string) => void) | undefined } & Record<string, unknown>;

function Box({ data }: NodeProps<Node<Data>>) {
  const look = data.state === undefined ? undefined : tone(data.state);
  const [to, from] = data.down ? [Position.Top, Position.Bottom] : [Position.Left, Position.Right];
  const inner = data.small ? (
    <span className="muted">{data.label}</span>
  ) : (
    <>
      {look && <span className={`state ${look}`}><ToneIcon tone={look} /></span>}
      <span className="flow-text"><span className="cut flow-name">{data.label}</span>{data.detail && <span className="cut flow-detail">{data.detail}</span>}{data.state && <span className="hidden-visually">{word(data.state)}</span>}</span>
    </>
  );
  return (
    <>
      <Handle type="target" position={to} isConnectable={false} />
      {data.onSelect && !data.small ? (
        <button type="button" className={`flow-box ${look ?? ""} ${data.chosen ? "chosen" : ""}`} title={data.label} aria-pressed={data.chosen} onClick={() => data.onSelect?.(data.id)}>{inner}</button>
      ) : (
        <div className={`flow-box ${look ?? ""} ${data.small ? "small" : ""}`} title={data.label}>{inner}</div>
      )}
      <Handle type="source" position={from} isConnectable={false} />
    </>
  );
}

interface Point { x: number; y: number }
interface Route { points: Point[]; label?: Point }
type EdgeData = Route & { text?: string | undefined } & Record<string, unknown>;

/** A way with rounded corners through the points that the layout chose, so that it crosses no box. */
function curve(points: Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${first.x},${first.y}`;
  let before = first;
  rest.forEach((corner, n) => {
    const after = rest[n + 1];
    if (!after) {
      path += `L${corner.x},${corner.y}`;
      return;
    }
    const reach = (from: Point): Point => {
      const far = Math.hypot(corner.x - from.x, corner.y - from.y) || 1;
      const part = Math.min(8, far / 2) / far;
      return { x: corner.x + (from.x - corner.x) * part, y: corner.y + (from.y - corner.y) * part };
    };
    const a = reach(before);
    const b = reach(after);
    path += `L${a.x},${a.y}Q${corner.x},${corner.y} ${b.x},${b.y}`;
    before = corner;
  });
  return path;
}

function Way({ id, data, markerEnd }: EdgeProps<Edge<EdgeData>>) {
  if (!data) return null;
  return (
    <>
      <BaseEdge id={id} path={curve(data.points)} {...(markerEnd ? { markerEnd } : {})} />
      {data.text && data.label && <EdgeLabelRenderer><div className="flow-label" style={{ transform: `translate(${data.label.x}px, ${data.label.y}px)` }}>{data.text}</div></EdgeLabelRenderer>}
    </>
  );
}

const nodeTypes = { box: Box };
const edgeTypes = { way: Way };

interface Places { nodes: Map<string, Point>; edges: Map<string, Route> }

const labelOf = (text: string | undefined): string | undefined => {
  const plain = text?.replaceAll("`", "");
  return plain !== undefined && plain.length > 30 ? `${plain.slice(0, 29)}…` : plain;
};

function useLayout(nodes: FlowNode[], edges: FlowEdge[], direction: string): Places | undefined {
  const [places, setPlaces] = useState<Places>();
  // Only the shape asks for a new layout, not what the states are.
  const shape = JSON.stringify([nodes.map((node) => [node.id, node.small ?? false]), edges.map((edge) => [edge.from, edge.to, edge.label?.length ?? 0]), direction]);
  useEffect(() => {
    let isWanted = true;
    const graph: ElkNode = {
      id: "root",
      layoutOptions: {
        "elk.algorithm": "layered", "elk.direction": direction, "elk.layered.spacing.nodeNodeBetweenLayers": direction === "DOWN" ? "44" : "64", "elk.spacing.nodeNode": "28",
        "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES", "elk.edgeLabels.inline": "true", "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
      },
      children: nodes.map((node) => ({ id: node.id, ...(node.small ? SMALL : { width: WIDTH, height: HEIGHT }) })),
      edges: edges.map((edge) => {
        const text = labelOf(edge.label);
        return { id: edge.id, sources: [edge.from], targets: [edge.to], ...(text ? { labels: [{ text, width: text.length * 6 + 10, height: 16 }] } : {}) };
      }),
    };
    layouter()
      .layout(graph)
      .then((done) => {
        if (!isWanted) return;
        setPlaces({
          nodes: new Map((done.children ?? []).map((child) => [child.id, { x: child.x ?? 0, y: child.y ?? 0 }])),
          edges: new Map(
            (done.edges ?? []).map((edge) => {
              const section = edge.sections?.[0];
              const label = edge.labels?.[0];
              const points = section ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] : [];
              return [edge.id, { points, ...(label ? { label: { x: label.x ?? 0, y: label.y ?? 0 } } : {}) }];
            }),
          ),
        });
      })
      .catch(() => {
        // One below the other is still readable.
        if (isWanted) setPlaces({ nodes: new Map(nodes.map((node, at) => [node.id, { x: 0, y: at * (HEIGHT + 30) }])), edges: new Map() });
      });
    return () => {
      isWanted = false;
    };
  }, [shape]);
  return places;
}

function Fit({ shape, top }: { shape: string; top: boolean }) {
  const flow = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useEffect(() => {
    void flow.fitView({ padding: 0.08, maxZoom: 1, minZoom: top && width > 500 ? 0.68 : 0.3 }).then(() => {
      if (!top) return;
      // A long document begins at its beginning.
      const bounds = flow.getNodesBounds(flow.getNodes());
      const zoom = flow.getZoom();
      if (bounds.height * zoom > height) void flow.setViewport({ x: width / 2 - (bounds.x + bounds.width / 2) * zoom, y: 16 - bounds.y * zoom, zoom });
    });
  }, [shape, width, height]);
  return null;
}

function Inner({ nodes, edges, label, direction = "DOWN", selected, onSelect, height }: FlowProps) {
  const dark = useDark();
  const places = useLayout(nodes, edges, direction);
  const shown: Node<Data>[] = useMemo(
    () =>
      places === undefined
        ? []
        : nodes.map((node) => ({
            id: node.id, type: "box", position: places.nodes.get(node.id) ?? { x: 0, y: 0 }, draggable: false, selectable: false, focusable: false, connectable: false,
            ...(node.small ? SMALL : { width: WIDTH, height: HEIGHT }), data: { ...node, chosen: node.id === selected, down: direction === "DOWN", onSelect },
          })),
    [nodes, places, selected, direction, onSelect],
  );
  const lines: Edge[] = useMemo(
    () =>
      edges.map((edge) => ({
        id: edge.id, source: edge.from, target: edge.to, focusable: false, selectable: false,
        ...(places?.edges.get(edge.id)?.points.length ? { type: "way", data: { ...places.edges.get(edge.id), text: labelOf(edge.label) } } : { type: "smoothstep" }),
        className: `flow-edge ${edge.strong ? "strong" : ""} ${edge.dashed ? "dashed" : ""}`,
        markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14, color: edge.strong ? "var(--accent)" : "var(--line-strong)" },
      })),
    [edges, places],
  );
  return (
    <div className="flow" style={{ height }} role="group" aria-label={label}>
      {places === undefined && <div className="loading" role="status">Laying out …</div>}
      <ReactFlow nodes={shown} edges={lines} nodeTypes={nodeTypes} edgeTypes={edgeTypes} colorMode={dark ? "dark" : "light"} minZoom={0.15} maxZoom={1.5} nodesDraggable={false} nodesConnectable={false} nodesFocusable={false} edgesFocusable={false} elementsSelectable={false} zoomOnScroll={false} preventScrolling={false} panOnScroll={false} proOptions={{ hideAttribution: true }}>
        <Background gap={20} size={1} />
        <Controls showInteractive={false} position="bottom-right" />
        {places && <Fit shape={`${shown.length}/${direction}`} top={direction === "DOWN"} />}
      </ReactFlow>
    </div>
  );
}

export default function Flow(props: FlowProps) {
  return <ReactFlowProvider><Inner {...props} /></ReactFlowProvider>;
}
