//! An OpenTelemetry collector inside a test: it keeps the spans that it is sent.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

/// One span, with ids in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    /// The traces that it is linked to.
    pub links: Vec<String>,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
}

/// The collector. It runs until its address is not used any more, at the end of the test's runtime.
#[derive(Clone)]
pub struct Collector {
    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let this = Self { url, spans: Arc::default() };
        let kept = Data::new(this.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(kept.clone())
                .app_data(PayloadConfig::new(16 << 20))
                .service(web::resource("/v1/traces").route(web::post().to(keep)))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).expect("it listens").run());
        this
    }

    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("not poisoned").clone()
    }
}

async fn keep(collector: Data<Collector>, body: Bytes) -> HttpResponse {
    let request = ExportTraceServiceRequest::decode(body).expect("spans in protobuf");
    let mut spans = collector.spans.lock().expect("not poisoned");
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let texts: HashMap<String, String> = attributes
            .into_iter()
            .filter_map(|pair| match pair.value?.value? {
                Value::StringValue(text) => Some((pair.key, text)),
                _ => None,
            })
            .collect();
        let service = texts.get("service.name").cloned().unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace_id: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
            });
        }
    }
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
