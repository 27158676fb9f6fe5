//! OTLP/gRPC: the three `Export` services.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1 as logs_service;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
use opentelemetry_proto::tonic::collector::trace::v1 as trace_service;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::status::Refusal;
use super::{Logs, MAX_REQUEST_BYTES, Metrics, Signal, Traces, store};
use crate::store::Telemetry;

/// The services of OTLP/gRPC, for `tonic::transport::Server::add_routes` (or, by `into_axum_router`, for any server
/// of HTTP/2). They accept gzip and at most [`MAX_REQUEST_BYTES`] after decompression.
pub fn grpc(telemetry: Arc<Telemetry>) -> Routes {
    let receiver = Receiver { telemetry };
    let metrics = metrics_service::metrics_service_server::MetricsServiceServer::new(receiver.clone())
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let logs = logs_service::logs_service_server::LogsServiceServer::new(receiver.clone())
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let traces = trace_service::trace_service_server::TraceServiceServer::new(receiver)
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    Routes::new(metrics).add_service(logs).add_service(traces)
}

#[derive(Clone)]
struct Receiver {
    telemetry: Arc<Telemetry>,
}

impl Receiver {
    async fn receive<S: Signal>(&self, request: S::Request) -> Result<Response<S::Response>, Status> {
        let now_ms = self.telemetry.now_ms();
        let converted = tokio::task::spawn_blocking(move || S::convert(request, now_ms))
            .await
            .map_err(|_| Status::internal("converting the request failed"))?;
        let partial =
            store(&self.telemetry, converted).await.map_err(|error| Refusal::from(error).to_grpc())?;
        Ok(Response::new(S::response(partial)))
    }
}

#[tonic::async_trait]
impl metrics_service::metrics_service_server::MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<metrics_service::ExportMetricsServiceRequest>,
    ) -> Result<Response<metrics_service::ExportMetricsServiceResponse>, Status> {
        self.receive::<Metrics>(request.into_inner()).await
    }
}

#[tonic::async_trait]
impl logs_service::logs_service_server::LogsService for Receiver {
    async fn export(
        &self,
        request: Request<logs_service::ExportLogsServiceRequest>,
    ) -> Result<Response<logs_service::ExportLogsServiceResponse>, Status> {
        self.receive::<Logs>(request.into_inner()).await
    }
}

#[tonic::async_trait]
impl trace_service::trace_service_server::TraceService for Receiver {
    async fn export(
        &self,
        request: Request<trace_service::ExportTraceServiceRequest>,
    ) -> Result<Response<trace_service::ExportTraceServiceResponse>, Status> {
        self.receive::<Traces>(request.into_inner()).await
    }
}
