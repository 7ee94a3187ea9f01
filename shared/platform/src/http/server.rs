//! The HTTP server: a trace for each request, a deadline, and every error as a problem.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::JsonPayloadError;
use actix_web::http::{ConnectionType, StatusCode, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpMessage as _, HttpServer, ResponseError as _, web};
use tracing::{Instrument as _, field};

use super::Problem;
use super::command::{invalid_body, unreadable_body};
use crate::Stop;
use crate::telemetry::{Metrics, traces};
use crate::tls::ServerConfig;

/// The time within which a response must begin. A stream may last longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The largest body, bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// A port that is bound, and how it is served.
#[derive(Debug)]
pub struct Listening {
    /// The port.
    pub socket: TcpListener,
    /// What TLS is served with; `None` for plain HTTP.
    pub tls: Option<ServerConfig>,
    /// Threads that serve it.
    pub workers: usize,
}

/// Serves until `stop`, then waits at most five seconds for open requests. Streams have to end at the same signal.
///
/// # Errors
/// When the server cannot start.
pub async fn serve<F>(on: Listening, stop: Stop, routes: F) -> anyhow::Result<()>
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let server =
        HttpServer::new(move || {
            App::new()
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .app_data(web::QueryConfig::default().error_handler(|e, _| {
                    Problem::bad_request("query_invalid", format!("the query string: {e}")).into()
                }))
                .app_data(web::PathConfig::default().error_handler(|_, _| {
                    Problem::new(
                        StatusCode::NOT_FOUND,
                        "not_found",
                        "there is no such thing: an id in the path is not of the right form",
                    )
                    .into()
                }))
                .app_data(web::JsonConfig::default().limit(BODY_LIMIT).error_handler(|e, _| json_problem(e).into()))
                .wrap(from_fn(with_trace_and_deadline))
                .configure(routes.clone())
                .default_service(web::to(|| async {
                    Err::<&str, _>(Problem::new(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path"))
                }))
        })
        .workers(on.workers)
        .disable_signals()
        .shutdown_timeout(5);
    let server = match on.tls {
        Some(tls) => server.listen_rustls_0_23(on.socket, tls)?,
        None => server.listen(on.socket)?,
    }
    .run();
    let handle = server.handle();
    let stopping = tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
    server.await?;
    stopping.abort();
    Ok(())
}

/// The problem for an invalid JSON body, the same as [`super::Command`] answers.
fn json_problem(e: JsonPayloadError) -> Problem {
    match e {
        JsonPayloadError::Deserialize(e) => invalid_body(&e),
        other => unreadable_body(&other.into()),
    }
}

async fn with_trace_and_deadline(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let given = request.headers().get("traceparent").and_then(|h| h.to_str().ok());
    let (method, path) = (request.method().clone(), request.path().to_owned());
    // A path that matches nothing is not a label: anybody could make new ones.
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let span = tracing::info_span!("http", %method, path, trace_id = field::Empty, otel.name = field::Empty,
        otel.kind = field::Empty, http.route = field::Empty, http.response.status_code = field::Empty);
    if traces::is_on() {
        span.record("otel.name", format!("{method} {route}"))
            .record("otel.kind", "server")
            .record("http.route", &route);
    }
    let trace = traces::enter(&span, given);
    span.record("trace_id", trace.trace_id());
    request.extensions_mut().insert(trace.clone());
    let measured = Measured::begin(&request, method.as_str().to_owned(), route);
    let draining = request.app_data::<web::Data<Stop>>().cloned();
    let is_draining = move || draining.as_ref().is_some_and(|draining| draining.is_cancelled());
    let started = std::time::Instant::now();
    let traced = move |problem: Problem| Problem { trace_id: Some(trace.trace_id().to_owned()), ..problem };

    async move {
        let problem = match tokio::time::timeout(DEADLINE, next.call(request)).await {
            Ok(Ok(response)) => {
                let Some(problem) = problem_of(response.response()).map(traced) else {
                    log(response.status(), started, None);
                    measured.end(response.status());
                    let mut response = response.map_into_boxed_body();
                    close_when_draining(is_draining(), &mut response);
                    return Ok(response);
                };
                log(problem.status_code(), started, Some(&problem));
                measured.end(problem.status_code());
                let body = problem.error_response();
                let mut response = response.into_response(body);
                close_when_draining(is_draining(), &mut response);
                return Ok(response);
            }
            Ok(Err(e)) => e
                .as_error::<Problem>()
                .cloned()
                .unwrap_or_else(|| problem_with_status(e.as_response_error().status_code(), &e.to_string())),
            Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "this took longer than five seconds"),
        };
        let problem = traced(problem);
        log(problem.status_code(), started, Some(&problem));
        measured.end(problem.status_code());
        Err(problem.into())
    }
    .instrument(span)
    .await
}

/// Asks the client to connect anew, to an instance that goes on.
fn close_when_draining(is_draining: bool, response: &mut ServiceResponse<BoxBody>) {
    if is_draining {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// A request that is being answered. One whose client hangs up has no answer to measure.
struct Measured {
    metrics: Metrics,
    method: String,
    route: String,
    began: std::time::Instant,
}

impl Measured {
    fn begin(request: &ServiceRequest, method: String, route: String) -> Self {
        let metrics = request.app_data::<web::Data<Metrics>>().map(|data| data.get_ref().clone()).unwrap_or_default();
        metrics.request_begins();
        Self { metrics, method, route, began: std::time::Instant::now() }
    }

    fn end(&self, status: StatusCode) {
        if traces::is_on() {
            tracing::Span::current().record("http.response.status_code", status.as_u16());
        }
        self.metrics.answered(&self.method, &self.route, status.as_u16(), self.began.elapsed());
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.metrics.request_ends();
    }
}

/// The problem of an error response: that of the handler, or a new one for an error of actix. `None` for other
/// responses.
fn problem_of<B>(response: &actix_web::HttpResponse<B>) -> Option<Problem> {
    if let Some(problem) = response.error().and_then(|e| e.as_error::<Problem>()) {
        return Some(problem.clone());
    }
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| {
        t.as_bytes().starts_with(b"application/problem+json") || t.as_bytes().starts_with(b"application/json")
    });
    ((status.is_client_error() || status.is_server_error()) && !is_problem).then(|| problem_with_status(status, ""))
}

fn problem_with_status(status: StatusCode, detail: &str) -> Problem {
    let code = match status {
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::NOT_FOUND => "no_such_path",
        s if s.is_client_error() => "bad_request",
        _ => "internal",
    };
    let detail = if detail.is_empty() { status.canonical_reason().unwrap_or("error") } else { detail };
    Problem::new(status, code, detail)
}

fn log(status: StatusCode, started: std::time::Instant, problem: Option<&Problem>) {
    let ms = started.elapsed().as_millis() as u64;
    match problem {
        Some(problem) if status.is_server_error() => {
            tracing::warn!(status = status.as_u16(), ms, code = problem.code, "answered {problem}");
        }
        Some(problem) => tracing::info!(status = status.as_u16(), ms, code = problem.code, "answered {problem}"),
        None => tracing::debug!(status = status.as_u16(), ms, "answered"),
    }
}
