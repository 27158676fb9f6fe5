//! `mainstay server` and `mainstay agent`: the long-running processes.

use std::path::Path;

use mainstay_model::{HostId, Tags};
use mainstay_server::{Config, Ready};
use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::args::{Agent, LogFormat, Logging, ParentArgs, Server};
use crate::exit::{Exit, Failure};
use crate::screen::say;

/// Stderr, as far as anyone reads it. A log that is read no more, because the process that read it was killed, must
/// not keep this one from ending in order.
struct Logs;

impl std::io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs go to stderr, from here on.
fn log(logging: &Logging) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    let filter = EnvFilter::try_new(&logging.log_filter).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{}` is not a log filter", logging.log_filter))
            .because(&error)
            .hint("give a level such as `info`, or levels by module such as `info,mainstay_agent=debug`")
    })?;
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Logs).with_ansi(color);
    let builder = builder.log_internal_errors(false);
    match logging.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Ends this process when its parent does. Has to be called on the main thread, before others are started.
fn bind_to_parent(parent: &ParentArgs) -> Result<(), Failure> {
    let Some(pid) = parent.exit_with_parent else { return Ok(()) };
    let with = if parent.interrupt { Signal::INT } else { Signal::TERM };
    rustix::process::set_parent_process_death_signal(Some(with)).map_err(|error| {
        Failure::local("The parent's death cannot be watched", &std::io::Error::from(error))
    })?;
    // The parent may have died before the line above.
    let wanted = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if rustix::process::getppid() != wanted {
        return Err(Failure::new(Exit::Local, format!("The process {pid} is not the parent, or has ended")));
    }
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local("The process cannot start its threads", &error))
}

/// `mainstay server`
pub fn server(data: &Path, args: &Server) -> Result<(), Failure> {
    log(&args.log)?;
    bind_to_parent(&args.parent)?;
    let mut config = Config::new(data, env!("CARGO_PKG_VERSION"));
    config.http = args.http;
    config.otlp_http = args.otlp_http.0;
    config.otlp_grpc = args.otlp_grpc.0;
    config.public_url.clone_from(&args.public_url);
    loopback_only(&config)?;
    let announce = args.parent.exit_with_parent.is_some();
    runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let (sender, ready) = tokio::sync::oneshot::channel();
        let cannot = |error| Failure::local("Signals cannot be received", &error);
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let serving = mainstay_server::serve(config, stop.clone(), sender);
        let watching = async {
            if let Ok(ready) = ready.await {
                tell(&ready, data, announce);
                if !announce {
                    invite(data).await;
                }
            }
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
            // A second one means it.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        tokio::select! {
            served = serving => served.map_err(|error| Failure::of(Exit::Local, &error)),
            () = watching => Err(Failure::said(Exit::Interrupted)),
        }
    })
}

/// Until people can sign in, a server listens to this machine only.
fn loopback_only(config: &Config) -> Result<(), Failure> {
    let all =
        [("--http", Some(config.http)), ("--otlp-http", config.otlp_http), ("--otlp-grpc", config.otlp_grpc)];
    for (option, address) in all {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            return Err(Failure::new(
                Exit::Usage,
                format!("`{option} {address}` would listen to the network, which is not built yet"),
            )
            .hint(format!("listen on loopback: `{option} 127.0.0.1:{}`", address.port())));
        }
    }
    Ok(())
}

/// Says where the server is: to a parent on stdout in a line of JSON, to people on stderr.
fn tell(ready: &Ready, data: &Path, announce: bool) {
    if announce {
        use std::io::Write as _;
        let line = serde_json::json!({ "http": ready.http, "otlp_http": ready.otlp_http });
        let mut out = std::io::stdout().lock();
        // A parent that does not listen any more is about to end us.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    } else {
        say(&format!("Mainstay listens on http://{}; its data is in {}", ready.http, data.display()));
        say(&format!("See how it is with `mainstay status --data {}`", data.display()));
    }
}

/// Prints a link to sign in with, to a terminal only: elsewhere it would end up in a log.
async fn invite(data: &Path) {
    use std::io::IsTerminal as _;
    let again = format!("`mainstay login-link --data {}`", data.display());
    if !std::io::stderr().is_terminal() {
        return say(&format!("Sign in a browser with a link of {again}"));
    }
    if let Ok(client) = crate::connect::local_client(data)
        && let Ok(invitation) = super::access::invitation(&client, &again).await
    {
        say(&invitation);
    }
}

/// `mainstay agent`
pub fn agent(data: &Path, server: Option<&str>, args: &Agent) -> Result<(), Failure> {
    log(&args.log)?;
    bind_to_parent(&args.parent)?;
    let host = args
        .host_id
        .as_deref()
        .map(HostId::new)
        .transpose()
        .map_err(|error| Failure::of(Exit::Usage, &error))?;
    let binary = std::env::current_exe()
        .map_err(|error| Failure::local("The path of this program cannot be found", &error))?;
    let server = match server {
        Some(server) => server.to_owned(),
        None => std::path::absolute(mainstay_server::config::agent_socket(data))
            .map_err(|error| Failure::local(format!("{} is not a path", data.display()), &error))?
            .display()
            .to_string(),
    };
    let config = mainstay_agent::Config {
        data: data.to_owned(),
        host,
        tags: args.tags.iter().cloned().collect::<Tags>(),
        server,
        otlp_endpoint: args.otlp_endpoint.clone(),
        binary,
        memory_by_polling: false,
    };
    runtime()?.block_on(mainstay_agent::run(config)).map_err(|error| {
        let exit = match error {
            mainstay_agent::AgentError::NetworkServer(_) => Exit::Usage,
            _ => Exit::Local,
        };
        Failure::of(exit, &error)
    })
}
