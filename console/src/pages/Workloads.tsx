// Workloads: what has been applied, each with its health.

import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import * as ask from "../api/queries";
import type { WorkloadDetail, WorkloadStatus } from "../api/types";
import { short } from "../lib/format";
import { worst } from "../lib/state";
import { Empty, Loaded, State, Time, useTitle } from "../ui/basic";
import { Table, type Column } from "../ui/table";

type Row = WorkloadDetail & { status: WorkloadStatus | undefined };

const COLUMNS: Column<Row>[] = [
  { key: "goals", head: "Goals", width: "120px", cell: (row) => { const state = worst(row.status?.measures.map((one) => one.state) ?? []); return state ? <State state={state} /> : <span className="faint">none</span>; } },
  { key: "title", head: "Workload", width: "minmax(0, 1.2fr)", cell: (row) => <Link to="/workloads/$name" params={{ name: row.workload }} tabIndex={-1}>{row.title} {row.title !== row.workload && <span className="faint">{row.workload}</span>}</Link> },
  { key: "owner", head: "Owner", width: "minmax(0, 1fr)", wide: true, cell: (row) => row.owner || <span className="faint">nobody is named</span> },
  { key: "services", head: "Services ready", width: "100px", right: true, cell: (row) => (row.status ? `${row.status.services_ready} of ${row.status.services_wanted}` : "") },
  { key: "procedures", head: "Procedures", width: "80px", right: true, wide: true, cell: (row) => row.procedures.length },
  { key: "alarms", head: "Alarms", width: "60px", right: true, wide: true, cell: (row) => row.alarms.length },
  { key: "revision", head: "Revision", width: "110px", wide: true, cell: (row) => <code>{short(row.revision)}</code> },
  { key: "applied", head: "Applied", width: "90px", right: true, cell: (row) => <Time at={row.applied_at} /> },
];

export function Workloads() {
  useTitle("Workloads");
  const navigate = useNavigate();
  const asked = useQuery(ask.workloads);
  const status = useQuery(ask.status);
  const rows = useMemo(() => (asked.data?.items ?? []).map((one) => ({ ...one, status: status.data?.workloads.find((other) => other.workload === one.workload) })), [asked.data, status.data]);
  return (
    <>
      <div className="page-head"><h1>Workloads</h1></div>
      <div className="panel">
        <Loaded of={asked} what="workloads">
          {() => <Table label="Workloads" primary columns={COLUMNS} rows={rows} rowKey={(row) => row.workload} {...(rows.length > 20 ? { height: "calc(100dvh - 150px)" } : {})} onOpen={(row) => void navigate({ to: "/workloads/$name", params: { name: row.workload } })} empty={<Empty title="No workload has been applied yet"><p><code>mainstay init DIR</code> begins one, <code>mainstay apply DIR</code> makes it the wanted state.</p></Empty>} />}
        </Loaded>
      </div>
    </>
  );
}
