//! `check` and `plan` beside `terraform validate` and `terraform plan`, at comparable size, in turn on the same machine.
//!
//! `cargo bench -p mainstay-bench --bench terraform`; needs `terraform` on the path, else it says that it skips it.
//! `BENCH_ROUNDS` (5) says how often each is run, `BENCH_PATIENCE` (120) after how many seconds one is given up.
//!
//! Both sides are whole processes that read their files from disk. Ours is this program, started again, which reads,
//! checks and plans with the crates of the product; the command line adds arguments and printing. Theirs has
//! `terraform_data` resources, which are built in, so that nothing is downloaded and no provider runs: one for each thing
//! that our files declare, in as many files, with inputs of the same size.
//!
//! `check`: 1,000 components, 3,000 rules, 1,000 triggers, 200 procedures, 250 notes. `plan`: 1,000 components on 10 hosts,
//! so 10,000 resources, of which none is there yet.

#![expect(clippy::disallowed_methods, reason = "it measures, and looks often whether a process has ended")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mainstay_bench::{Failure, variable};
use mainstay_declare::{Declared, SourceFile, declare};
use mainstay_model::{HostId, Tags};
use mainstay_plan::{HostSeen, Observed, Version, plan};

#[path = "../../crates/server/src/languages.rs"]
mod languages;
#[path = "../../crates/declare/tests/large/mod.rs"]
mod large;

use languages::Spoken;

const COMPONENTS: usize = 1_000;
const HOSTS: usize = 10;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, folder] = arguments.as_slice()
        && what.starts_with("--do-")
    {
        return ours(what, Path::new(folder));
    }
    let temp = tempfile::tempdir()?;
    let at = |name: &str| temp.path().join(name);
    write(&at("large"), &large::files(COMPONENTS))?;
    write(&at("validate"), &validated())?;
    write(&at("plan"), &planned(false))?;
    write(&at("plan-with-dependencies"), &planned(true))?;

    let me = std::env::current_exe()?;
    let mut rows = vec![
        Row::new(
            "mainstay: check 1,000 components",
            &me,
            &["--do-check", &at("large").to_string_lossy()],
            temp.path(),
        ),
        Row::new(
            "mainstay: plan 10,000 resources",
            &me,
            &["--do-plan", &at("large").to_string_lossy()],
            temp.path(),
        ),
    ];
    let terraform = Path::new("terraform");
    let there = Command::new(terraform).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        for folder in ["validate", "plan", "plan-with-dependencies"] {
            let init = Row::new("init", terraform, &["init", "-input=false"], &at(folder));
            init.run(Duration::from_secs(300))?.ok_or("terraform init did not end")?;
        }
        let plan = ["plan", "-input=false", "-lock=false", "-no-color"];
        rows.extend([
            Row::new("terraform: version, for what starting takes", terraform, &["version"], temp.path()),
            Row::new(
                "terraform: validate 5,200 resources",
                terraform,
                &["validate", "-no-color"],
                &at("validate"),
            ),
            Row::new("terraform: plan 10,000 resources", terraform, &plan, &at("plan")),
            Row::new(
                "terraform: plan 10,000 resources with the same dependencies",
                terraform,
                &plan,
                &at("plan-with-dependencies"),
            ),
        ]);
    } else {
        println!("skipped: terraform is not on this machine");
    }

    let patience = Duration::from_secs(variable("BENCH_PATIENCE", 120)?);
    let mut taken: Vec<Vec<Duration>> = vec![Vec::new(); rows.len()];
    let mut given_up = vec![false; rows.len()];
    for _ in 0..variable("BENCH_ROUNDS", 5_u64)? {
        for (index, row) in rows.iter().enumerate() {
            if given_up[index] {
                continue;
            }
            match row.run(patience)? {
                Some(time) => taken[index].push(time),
                None => given_up[index] = true,
            }
        }
    }
    println!("{:<62} {:>10} {:>10}", "", "median", "least");
    for (index, row) in rows.iter().enumerate() {
        if given_up[index] {
            println!("{:<62} not done after {} s", row.name, patience.as_secs());
            continue;
        }
        taken[index].sort_unstable();
        let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
        let (median, least) = (ms(taken[index].get(taken[index].len() / 2)), ms(taken[index].first()));
        println!("{:<62} {median:>7.0} ms {least:>7.0} ms", row.name);
    }
    Ok(())
}

/// A command that is measured.
struct Row {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Row {
    fn new(name: &'static str, program: &Path, arguments: &[&str], folder: &Path) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { name, program: program.to_owned(), arguments, folder: folder.to_owned() }
    }

    /// How long it takes; nothing if it is given up.
    fn run(&self, patience: Duration) -> Result<Option<Duration>, Failure> {
        let began = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("TF_CLI_CONFIG_FILE")
            .stdout(Stdio::null())
            .spawn()?;
        loop {
            if let Some(status) = child.try_wait()? {
                let time = began.elapsed();
                let failed = || format!("{} failed: {status}", self.name).into();
                return if status.success() { Ok(Some(time)) } else { Err(failed()) };
            }
            if began.elapsed() > patience {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write(folder: &Path, files: &[SourceFile]) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, &file.bytes)?;
    }
    Ok(())
}

/// Every file of a folder and of the folders in it.
fn read(folder: &Path) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                files.push(SourceFile { path: name, bytes: std::fs::read(&path)? });
            }
        }
    }
    Ok(files)
}

fn declared(folder: &Path) -> Result<Declared, Failure> {
    let outcome = declare(&read(folder)?, &Spoken);
    outcome.declared.ok_or_else(|| format!("{:?}", outcome.diagnostics.first()).into())
}

/// What is measured of ours, in a process of its own.
fn ours(what: &str, folder: &Path) -> Result<(), Failure> {
    let declared = declared(folder)?;
    if what == "--do-check" {
        println!("{} components", declared.workload.components.len());
        return Ok(());
    }
    let seen =
        HostSeen { tags: Tags::from_iter([("environment", "live"), ("role", "app")]), ..HostSeen::default() };
    let host = |at: usize| HostId::new(format!("h{at}")).map_err(|error| error.to_string());
    let hosts = (0..HOSTS).map(|at| Ok((host(at)?, seen.clone()))).collect::<Result<_, String>>()?;
    let version = Version { declared: &declared, directory: "/srv/large", digest: "d1" };
    let plan = plan(version, None, &Observed { hosts });
    if plan.size.resources < COMPONENTS * HOSTS {
        return Err(format!("the plan has {} resources only", plan.size.resources).into());
    }
    println!("{}", plan.to_json().len());
    Ok(())
}

fn file(path: String, text: String) -> SourceFile {
    SourceFile { path, bytes: text.into_bytes() }
}

/// A resource for each thing that the large workload declares, in as many files.
fn validated() -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut parts = String::new();
    for at in 0..COMPONENTS {
        part(&mut parts, at, "", true);
        files.push(file(
            format!("t{at}.tf"),
            format!(
                "resource \"terraform_data\" \"t{at}\" {{\n  input = {{ name = \"t{at}\", description = \"Answers when part {at} fails\", \
                 source = \"mainstay\", kind = \"alarm.firing\", alarm = terraform_data.a{at}_0.id, target = terraform_data.r{}.id }}\n}}\n",
                at / 5 * 5
            ),
        ));
        let mut rules = String::new();
        for rule in 0..3 {
            write!(
                rules,
                "resource \"terraform_data\" \"a{at}_{rule}\" {{\n  input = {{ name = \"Part{at}Failing\", expr = \"sum(rate(requests_total{{component='c{at}'}}[5m])) < 0.95\", \
                 for = \"1m\", severity = \"critical\", summary = \"Part {at} fails\", component = terraform_data.c{at}.id }}\n}}\n"
            )
            .expect("texts grow");
        }
        match files.iter_mut().find(|file| file.path == format!("a{}.tf", at / 10)) {
            Some(known) => known.bytes.extend(rules.into_bytes()),
            None => files.push(file(format!("a{}.tf", at / 10), rules)),
        }
        if at.is_multiple_of(5) {
            let steps: Vec<String> = (at..at + 5)
                .map(|step| format!("{{ name = \"restart_{step}\", action = \"aws:runCommand\", timeout = 30, command = \"mainstay service restart c{step}\" }}"))
                .collect();
            files.push(file(
                format!("r{at}.tf"),
                format!(
                    "resource \"terraform_data\" \"r{at}\" {{\n  input = {{ description = \"Restores parts\", steps = [{}] }}\n}}\n",
                    steps.join(", ")
                ),
            ));
        }
    }
    files.push(file("main.tf".to_owned(), parts));
    files
}

fn part(out: &mut String, at: usize, count: &str, depends: bool) {
    let on: Vec<String> = [1, 10]
        .iter()
        .filter(|back| depends && **back <= at)
        .map(|back| format!("terraform_data.c{}", at - back))
        .collect();
    write!(
        out,
        "resource \"terraform_data\" \"c{at}\" {{\n{count}  input = {{ description = \"Part {at} of a large workload\", run = \"./bin/part --port {0} --data ./data\", \
         port = {0}, health = \"/healthz\", every = \"2s\", restart = \"on-failure\", mode = \"fast\", memory = \"256MiB\", scrape = \"/metrics\" }}\n  \
         depends_on = [{1}]\n}}\n",
        10_000 + at,
        on.join(", ")
    )
    .expect("texts grow");
}

fn planned(depends: bool) -> Vec<SourceFile> {
    let mut parts = String::new();
    for at in 0..COMPONENTS {
        part(&mut parts, at, &format!("  count = {HOSTS}\n"), depends);
    }
    vec![file("main.tf".to_owned(), parts)]
}
