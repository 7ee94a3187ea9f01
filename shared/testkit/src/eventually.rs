//! Waiting for a condition instead of for a time.

use std::future::Future;
use std::time::Duration;

/// Calls `ask` until it returns `Some`. `what` describes the condition in the panic's message.
///
/// # Panics
/// After twenty seconds.
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited twenty seconds for this: {what}");
        // Polling without a pause would take the CPU from what is waited for.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
