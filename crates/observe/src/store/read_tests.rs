use super::*;

fn plan(sql: &str) -> String {
    let dir = tempfile::tempdir().expect("tempdir");
    let connection = schema::open_writer(&dir.path().join("telemetry.db")).expect("opens");
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("prepares");
    let count = statement.parameter_count();
    let steps = statement
        .query_map(params_from_iter(vec![Value::Null; count]), |row| row.get::<_, String>(3))
        .expect("explains");
    steps.map(|step| step.expect("text")).collect::<Vec<_>>().join("; ")
}

#[test]
fn questions_use_their_indexes() {
    let cases = [
        (
            "SELECT seq FROM logs WHERE trace_id = ? AND trace_id <> '' ORDER BY seq DESC LIMIT 5",
            "logs_trace",
        ),
        ("SELECT seq FROM logs WHERE service = ? AND seq >= ? ORDER BY seq ASC LIMIT 5", "logs_service"),
        ("SELECT seq FROM logs WHERE severity >= ? ORDER BY seq DESC LIMIT 5", "SCAN logs"),
        ("SELECT trace_id FROM spans WHERE start_ns >= ? ORDER BY start_ns DESC", "spans_start"),
        ("SELECT rest FROM spans WHERE trace_id = ?", "sqlite_autoindex_spans_1"),
        (
            "SELECT t_ms, value FROM samples WHERE series = ? AND t_ms BETWEEN ? AND ? ORDER BY t_ms",
            "PRIMARY KEY",
        ),
    ];
    for (sql, expected) in cases {
        let plan = plan(sql);
        assert!(plan.contains(expected), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
