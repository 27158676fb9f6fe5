//! What `mainstay init` writes is clean, tests itself, and runs.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::processes::Process;
use crate::world::World;

/// Brings a directory up, waits until all of it is ready, and takes it down again.
#[track_caller]
fn comes_up(world: &World, dir: &str, component: &str) {
    let otlp = format!("127.0.0.1:{}", world.otlp);
    let http = world.http.to_string();
    let arguments = ["up", dir, "--port", &http, "--otlp-http", &otlp, "--otlp-grpc", "off"];
    let mut up = Process::start("up", world.command(&arguments));
    up.line("all ready: 1 service");
    let service = world.service(component);
    assert!(service["pid"].is_u64() && service["state"] == "ready", "{service:#}");
    assert_eq!(up.end(Signal::INT), 0, "{}", up.log());
    assert!(!up.log().contains("panicked at"), "{}", up.log());
}

#[test]
fn what_init_writes_runs() {
    let world = World::new();
    world.mainstay(&["init", "beat"]).is(0, &["beat/mainstay.yaml", "`mainstay up beat`"]);
    world.mainstay(&["check", "beat"]).is(0, &["no problems"]);
    world.mainstay(&["test", "beat"]).is(0, &[]);
    world.mainstay(&["docs", "build", "beat", "--out", "site"]).is(0, &["site/index.html"]);
    comes_up(&world, "beat", "heartbeat");
    world.mainstay(&["init", "beat"]).is(1, &["nothing was written"]);
}

#[test]
fn what_comes_of_a_template_runs() {
    let world = World::new();
    let template = world.dir().join("template");
    std::fs::create_dir_all(template.join("bin")).expect("made");
    let text = "workload: {{ init.name }}\nowner: {{ init.team }}\ncomponents:\n  web:\n    hosts: \"role=app\"\n    \
                service: { run: \"./bin/web ${data}\", health: { exec: \"test -f ${data}/up\", every: 200ms } }\n";
    std::fs::write(template.join("mainstay.yaml"), text).expect("written");
    let program = template.join("bin/web");
    std::fs::write(&program, "#!/bin/sh\ntouch \"$1/up\"\nexec sleep 1000\n").expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");

    world.mainstay(&["init", "shop", "--template", "template"]).is(2, &["--set team=VALUE"]);
    assert!(!world.dir().join("shop").exists(), "nothing is written by halves");
    world.mainstay(&["init", "shop", "--template", "template", "--set", "team=web"]).is(0, &["shop/bin/web"]);
    world.mainstay(&["docs", "get", "workload.owner", "shop"]).is(0, &["web"]);
    comes_up(&world, "shop", "web");
}
