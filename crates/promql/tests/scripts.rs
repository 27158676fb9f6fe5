//! Runs the scripts of our own in `tests/scripts`.

use std::path::Path;

use mainstay_promql::testscript;

#[test]
fn our_own_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut run = 0;
    for entry in std::fs::read_dir(folder).expect("the folder lists") {
        let path = entry.expect("the folder lists").path();
        let report = testscript::run(&std::fs::read_to_string(&path).expect("the script reads"));
        for outcome in &report.outcomes {
            if let Some(failure) = &outcome.failure {
                println!("{}:{}: {}: {failure}", path.display(), outcome.line, outcome.expr);
            }
        }
        assert_eq!(report.failed(), 0, "{}", path.display());
        run += report.passed();
    }
    assert!(run >= 400, "only {run} evaluations ran");
}
