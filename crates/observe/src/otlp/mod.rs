//! OTLP in: HTTP (protobuf and JSON) and gRPC.
