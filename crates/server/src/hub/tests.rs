//! The hub against an agent that is played by the test, over a real socket.

use std::path::PathBuf;

use mainstay_api::link::{FromAgent, LinkClient, from_agent};
use mainstay_model::EventId;
use mainstay_store::MemoryJournal;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use super::*;
use crate::clock::SystemClock;

struct World {
    hub: Hub,
    journal: Arc<dyn Journal>,
    socket: PathBuf,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<io::Result<()>>,
    _dir: tempfile::TempDir,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the test awaits the task itself")]
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("agent.sock");
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(Vec::new()).expect("no folds"));
        let hub = Hub::new(Arc::clone(&journal), Arc::new(SystemClock), "test");
        let stop = CancellationToken::new();
        let served = tokio::task::spawn({
            let (hub, socket, stop) = (hub.clone(), socket.clone(), stop.clone());
            async move { hub.serve(&socket, stop).await }
        });
        Self { hub, journal, socket, stop, served, _dir: dir }
    }

    async fn dial(&self, session: &str, agent_id: &str) -> Result<Agent, tonic::Status> {
        let path = self.socket.clone();
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                loop {
                    match UnixStream::connect(&path).await {
                        Ok(stream) => return Ok::<_, io::Error>(hyper_util::rt::TokioIo::new(stream)),
                        Err(_) => tokio::task::yield_now().await,
                    }
                }
            }
        });
        let endpoint = Endpoint::from_static("http://hub");
        let channel = endpoint.connect_with_connector(connector).await.expect("it listens");
        let (sender, receiver) = mpsc::unbounded_channel();
        let hello = link::Hello {
            protocol: link::PROTOCOL,
            host: "h1".to_owned(),
            tags: [("role".to_owned(), "app".to_owned())].into(),
            agent_id: agent_id.to_owned(),
            session: session.to_owned(),
            pid: 5,
            kept_commands: vec!["old".to_owned()],
            ..link::Hello::default()
        };
        sender.send(FromAgent { body: Some(from_agent::Body::Hello(hello)) }).expect("open");
        let stream =
            LinkClient::new(channel).connect(UnboundedReceiverStream::new(receiver)).await?.into_inner();
        Ok(Agent { sender, stream })
    }

    async fn connect(&self, session: &str) -> Agent {
        let mut agent = self.dial(session, "a1").await.expect("welcome");
        assert!(matches!(agent.next().await, from_server::Body::Welcome(_)));
        agent
    }

    async fn kinds(&self, count: u64) -> Vec<String> {
        self.journal.watch().wait_for(|head| *head >= count).await.expect("open");
        self.journal.read(0, 100).expect("readable").iter().map(|event| event.kind.clone()).collect()
    }

    async fn away(&self) {
        let mut changes = self.hub.changes();
        while self.hub.host(&host()).is_some_and(|host| host.connected) {
            changes.changed().await.expect("open");
        }
    }
}

struct Agent {
    sender: mpsc::UnboundedSender<FromAgent>,
    stream: Streaming<FromServer>,
}

impl Agent {
    /// The next message that is not a ping.
    async fn next(&mut self) -> from_server::Body {
        loop {
            match self.stream.message().await.expect("sound").expect("open").body.expect("a body") {
                from_server::Body::Ping(_) => {}
                body => return body,
            }
        }
    }

    fn say(&self, body: from_agent::Body) {
        self.sender.send(FromAgent { body: Some(body) }).expect("open");
    }

    fn state(&self, id: &str, state: link::command_state::State) {
        self.say(from_agent::Body::Command(link::CommandState { id: id.to_owned(), state: Some(state) }));
    }

    fn finish(&self, id: &str, end: link::finished::End) {
        let finished =
            link::Finished { end: Some(end), stdout: b"out".to_vec(), ..link::Finished::default() };
        self.state(id, link::command_state::State::Finished(finished));
    }

    async fn command(&mut self) -> String {
        match self.next().await {
            from_server::Body::Command(command) => command.id,
            other => panic!("a command was expected: {other:?}"),
        }
    }
}

fn host() -> HostId {
    HostId::new("h1").expect("an id")
}

fn spec(id: &str) -> CommandSpec {
    CommandSpec {
        id: CommandId::new(id).expect("an id"),
        interpreter: vec!["sh".to_owned()],
        script: b"true".to_vec(),
        stdin: Vec::new(),
        env: BTreeMap::new(),
        directory: None,
        timeout: None,
        memory_limit: None,
        output_limit: None,
        deliver_by: None,
        maybe_sent: false,
    }
}

fn happened(id: &str, kind: &str) -> from_agent::Body {
    from_agent::Body::Happened(link::Happened {
        id: id.to_owned(),
        kind: kind.to_owned(),
        time_ms: 7,
        workload: "shop".to_owned(),
        subject: "component/a".to_owned(),
        data_json: "{\"pid\":1}".to_owned(),
    })
}

#[tokio::test]
async fn events_are_journalled_once_and_acknowledged() {
    let world = World::start().await;
    let mut agent = world.connect("s1").await;
    for body in [
        happened("e1", "service.ready"),
        happened("e1", "service.ready"),
        happened("e2", "alarm.firing"),
        happened("e3", "service.exited"),
    ] {
        agent.say(body);
    }
    let mut acknowledged = BTreeSet::new();
    while acknowledged.len() < 3 {
        match agent.next().await {
            from_server::Body::Ack(ack) => acknowledged.extend(ack.event_ids),
            other => panic!("an acknowledgement was expected: {other:?}"),
        }
    }
    // A host may not speak for the alarms; it need not say it again either.
    assert_eq!(world.kinds(3).await, ["host.connected", "service.ready", "service.exited"]);
    let event = world.journal.read_by_id("mainstay.agent", &EventId::new("e1").expect("an id"));
    let event = event.expect("readable").expect("there");
    assert_eq!((event.actor.to_string().as_str(), event.tags.get("role")), ("agent:h1", Some("app")));
    drop(agent);
    assert_eq!(world.kinds(4).await[3], "host.lost");
    assert!(!world.hub.hosts()[0].connected);
}

#[tokio::test]
async fn a_command_survives_reconnections_and_is_asked_for_once() {
    let world = World::start().await;
    let hub = world.hub.clone();
    let asks = async {
        let host = host();
        tokio::join!(hub.run_command(&host, spec("c1")), hub.run_command(&host, spec("c1")))
    };
    let plays = async {
        let mut agent = world.connect("s1").await;
        assert_eq!(agent.command().await, "c1");
        agent.state("c1", link::command_state::State::Accepted(link::Accepted {}));
        drop(agent);
        world.away().await;
        let mut agent = world.connect("s2").await;
        assert_eq!(agent.command().await, "c1");
        agent.finish("c1", link::finished::End::ExitCode(3));
        agent
    };
    let ((one, two), _agent) = tokio::join!(asks, plays);
    assert_eq!((one.end.clone(), one.stdout.as_slice()), (CommandEnd::Exited(3), b"out".as_slice()));
    assert_eq!(one, two);
    assert_eq!(world.hub.kept(&host()), [CommandId::new("old").expect("an id")]);
}

#[tokio::test]
async fn what_cannot_be_delivered_in_time_never_runs() {
    let world = World::start().await;
    let past = Some(Timestamp::from_millis(1));
    // The host never came: nothing was sent, and nothing will be.
    let result = world.hub.run_command(&host(), CommandSpec { deliver_by: past, ..spec("c1") }).await;
    assert_eq!(result.end, CommandEnd::NotDelivered);
    // An earlier server may have sent it: only the host can say.
    let late = CommandSpec { deliver_by: past, maybe_sent: true, ..spec("c2") };
    let plays = async {
        let mut agent = world.connect("s1").await;
        match agent.next().await {
            from_server::Body::Cancel(cancel) => assert!(cancel.unless_arrived && cancel.id == "c2"),
            other => panic!("a question was expected: {other:?}"),
        }
        agent.finish("c2", link::finished::End::NotDelivered(String::new()));
        agent
    };
    let host = host();
    let ask = world.hub.run_command(&host, late);
    let mut ask = std::pin::pin!(ask);
    // It is under way before the host connects.
    assert!(futures::poll!(&mut ask).is_pending());
    let (result, _agent) = tokio::join!(ask, plays);
    assert_eq!(result.end, CommandEnd::NotDelivered);
}

#[tokio::test]
async fn a_cancellation_reaches_the_host_or_makes_it_unnecessary() {
    let world = World::start().await;
    let host = host();
    let id = |text: &str| CommandId::new(text).expect("an id");
    let mut ask = std::pin::pin!(world.hub.run_command(&host, spec("c1")));
    assert!(futures::poll!(&mut ask).is_pending());
    world.hub.cancel(&host, &id("c1"), "not wanted");
    assert!(matches!(ask.await.end, CommandEnd::Cancelled(reason) if reason.starts_with("not wanted")));

    let mut agent = world.connect("s1").await;
    let ask = world.hub.run_command(&host, spec("c2"));
    let plays = async {
        assert_eq!(agent.command().await, "c2");
        world.hub.cancel(&host, &id("c2"), "enough");
        match agent.next().await {
            from_server::Body::Cancel(cancel) => {
                assert_eq!((cancel.id.as_str(), cancel.unless_arrived), ("c2", false));
            }
            other => panic!("a cancellation was expected: {other:?}"),
        }
        agent.finish("c2", link::finished::End::Cancelled("enough".to_owned()));
        world.hub.forget(&host, &id("c2"));
        assert!(matches!(agent.next().await, from_server::Body::Forget(forget) if forget.id == "c2"));
    };
    let (result, ()) = tokio::join!(ask, plays);
    assert_eq!(result.end, CommandEnd::Cancelled("enough".to_owned()));
}

#[tokio::test]
async fn desired_services_reach_the_host_now_and_at_each_connection() {
    let world = World::start().await;
    let desired = |revision: &str| link::Desired { revision: revision.to_owned(), services: Vec::new() };
    world.hub.set_desired(&host(), desired("r1"));
    assert!(world.hub.hosts().is_empty(), "a host that never connected is not listed");
    let mut agent = world.connect("s1").await;
    assert_eq!(agent.next().await, from_server::Body::Desired(desired("r1")));
    world.hub.set_desired(&host(), desired("r1"));
    world.hub.set_desired(&host(), desired("r2"));
    assert_eq!(agent.next().await, from_server::Body::Desired(desired("r2")));
    agent.say(from_agent::Body::Report(link::Report { services: Vec::new(), revision: "r2".to_owned() }));
    let mut changes = world.hub.changes();
    while world.hub.host(&host()).is_none_or(|host| host.revision != "r2") {
        changes.changed().await.expect("open");
    }
}

#[tokio::test]
async fn one_host_has_one_agent() {
    let world = World::start().await;
    let _first = world.connect("s1").await;
    let refused = world.dial("s2", "other").await.err().expect("refused");
    assert!(refused.message().contains("is connected already, by another agent (process 5)"), "{refused}");
    // The same agent over a new link takes the old one's place, and nobody was lost.
    let _second = world.connect("s3").await;
    assert_eq!(world.kinds(2).await, ["host.connected", "host.connected"]);
}

#[tokio::test]
async fn a_second_server_is_refused_and_a_stopped_one_leaves_nothing() {
    let world = World::start().await;
    let mut agent = world.connect("s1").await;
    let error = world.hub.serve(&world.socket, CancellationToken::new()).await.expect_err("taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    world.stop.cancel();
    // A ping may be under way.
    while agent.stream.message().await.expect("a clean end").is_some() {}
    world.served.await.expect("no panic").expect("a clean end");
    assert!(!world.socket.exists());
}

#[tokio::test]
async fn pages_of_hosts_follow_each_other_in_both_orders() {
    let world = World::start().await;
    let _agent = world.connect("s1").await;
    // All but `h1` are away, and need a look first.
    for name in ["h5", "h0", "h3", "h2", "h4"] {
        world.hub.remember(&HostId::new(name).expect("an id"), Tags::default(), Timestamp::from_millis(1));
    }
    let page = |trouble_first, after: Option<&str>, limit| {
        let (hosts, next) = world.hub.page(|id, _, _, _| id.as_str() != "h4", trouble_first, after, limit);
        (hosts.iter().map(|host| host.id.to_string()).collect::<Vec<_>>().join(" "), next)
    };
    for limit in 1..7 {
        for (trouble_first, whole) in [(false, "h0 h1 h2 h3 h5"), (true, "h0 h2 h3 h5 h1")] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let (hosts, next) = page(trouble_first, after.as_deref(), limit);
                assert!(hosts.split(' ').count() <= limit && !hosts.is_empty(), "{limit}: {hosts:?}");
                seen.push(hosts);
                let Some(next) = next else { break };
                after = Some(next);
            }
            assert_eq!(seen.join(" "), whole, "pages of {limit}");
        }
    }
    assert_eq!(page(true, Some("0h3"), 9), ("h5 h1".to_owned(), None));
    assert_eq!(page(true, Some("0h31"), 1), ("h5".to_owned(), Some("0h5".to_owned())), "one that is gone");
    assert_eq!(page(true, Some("1"), 9), ("h1".to_owned(), None), "of a rank that nothing has");
    assert_eq!(page(true, Some("9"), 9), (String::new(), None));
    assert_eq!(page(false, Some("~"), 9), (String::new(), None), "what is no id stands where its text does");
}
