//! A stand-in for the `mainstay` binary in the tests of this crate: a shim, an agent, and a service to supervise.
//!
//! - `host shim DIR`
//! - `host agent DATA SOCKET [poll]`
//! - `host serve PORT`: answers 200 on every path, except 503 on `/health` while a file `sick` is in its directory.
//! - `host eat BYTES`: takes so much memory and keeps it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mainstay_agent::Config;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["shim", dir] => mainstay_agent::shim::main(Path::new(dir)),
        ["agent", data, socket] => agent(data, socket, false),
        ["agent", data, socket, "poll"] => agent(data, socket, true),
        ["serve", port] => serve(port.parse().expect("a port")),
        ["eat", bytes] => eat(bytes.parse().expect("a number")),
        _ => ExitCode::from(2),
    }
}

fn agent(data: &str, socket: &str, memory_by_polling: bool) -> ExitCode {
    let config = Config {
        data: PathBuf::from(data),
        host: Some(mainstay_model::HostId::new("h1").expect("an id")),
        tags: [("role", "app")].into_iter().collect(),
        server: socket.to_owned(),
        otlp_endpoint: "http://127.0.0.1:4318".to_owned(),
        binary: std::env::current_exe().expect("this program"),
        memory_by_polling,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.expect("a runtime").block_on(mainstay_agent::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> ExitCode {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    println!("serving on {port} with pid {}", std::process::id());
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap_or(0);
        let sick = request[..length].starts_with(b"GET /health") && Path::new("sick").exists();
        let answer = if sick {
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\nConnection: close\r\n\r\nI am sick"
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        };
        let _ = stream.write_all(answer.as_bytes());
    }
    ExitCode::SUCCESS
}

fn eat(bytes: usize) -> ExitCode {
    let mut eaten = Vec::new();
    // Every page is touched, or it would not count.
    for _ in 0..bytes / 4096 {
        eaten.push(vec![1_u8; 4096]);
    }
    println!("ate {} pages", eaten.len());
    // Waits for the end of its input, which comes when it is killed.
    let _ = std::io::stdin().read(&mut [0; 1]);
    loop {
        std::thread::park();
    }
}
