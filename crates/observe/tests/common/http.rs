//! A server on an ephemeral port.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves until dropped.
pub struct Server {
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    pub async fn http(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, _task: task }
    }

    pub async fn grpc(routes: tonic::service::Routes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let mut task = JoinSet::new();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        task.spawn(async move {
            tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming(incoming)
                .await
                .expect("serves");
        });
        Self { address, _task: task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
