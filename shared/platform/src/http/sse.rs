//! Server-Sent Events. A stream holds no database connection, sends a comment every 15 s, and ends with its token or with
//! the process.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::auth::Claims;
use crate::{Metrics, Stop};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The cursor to resume after it.
    pub id: String,
    /// `order`, `ticket`, `offer`, `snapshot`.
    pub event: &'static str,
    /// JSON, in one line.
    pub data: String,
}

impl Frame {
    fn bytes(&self) -> Bytes {
        Bytes::from(format!("id: {}\nevent: {}\ndata: {}\n\n", self.id, self.event, self.data))
    }
}

const HEARTBEAT: Duration = Duration::from_secs(15);
/// The most frames that wait for a client. Sending one more waits.
const CAPACITY: usize = 64;

/// The sending end of a stream. It is closed when the client disconnects.
pub type Sender = mpsc::Sender<Frame>;

/// Answers with a stream of the frames that `produce` sends. It runs in a task of its own, which is aborted when the client
/// disconnects. `of` names the stream in metrics.
pub fn stream<F, Fut>(claims: &Claims, stop: &Stop, metrics: &Metrics, of: &str, produce: F) -> HttpResponse
where
    F: FnOnce(Sender) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (sender, frames) = mpsc::channel(CAPACITY);
    let left = Duration::from_secs(u64::try_from(claims.exp - chrono::Utc::now().timestamp()).unwrap_or(0));
    let ended = stop.clone();
    let producer = tokio::spawn(produce(sender));
    let guard = (AbortOnDrop(producer), metrics.streaming(of));
    let end = async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = tokio::time::sleep(left) => {}
        }
    };
    let heartbeat = futures::stream::unfold((), |()| async {
        tokio::time::sleep(HEARTBEAT).await;
        Some((Bytes::from_static(b": still here\n\n"), ()))
    });
    let hello = futures::stream::once(async { Bytes::from_static(b"retry: 1000\n\n") });
    // The stream ends with its producer, although the heartbeat never does.
    let records = ReceiverStream::new(frames).map(|f| Some(f.bytes())).chain(futures::stream::once(async { None }));
    let body = hello
        .chain(
            futures::stream::select(records, heartbeat.map(Some))
                .take_while(|b| std::future::ready(b.is_some()))
                .filter_map(std::future::ready),
        )
        .take_until(Box::pin(end))
        .map(move |bytes| {
            let _aborts_the_producer_with_the_body = &guard;
            Ok::<_, std::convert::Infallible>(bytes)
        });
    HttpResponse::Ok()
        .insert_header(("Content-Type", "text/event-stream"))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body)
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The client's cursor: the header `Last-Event-ID`, or the query parameter `cursor`.
#[must_use]
pub fn cursor(request: &actix_web::HttpRequest) -> Option<String> {
    let header = request.headers().get("last-event-id").and_then(|h| h.to_str().ok()).map(str::to_owned);
    header.or_else(|| {
        let query =
            actix_web::web::Query::<std::collections::HashMap<String, String>>::from_query(request.query_string());
        query.ok()?.into_inner().remove("cursor")
    })
}
