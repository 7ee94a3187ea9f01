//! Waiting for a condition, with a deadline; never for a number of milliseconds.

use std::future::Future;
use std::time::Duration;

/// Asks until the answer is `Some`, and says what it waited for when it never is.
///
/// # Panics
/// After twenty seconds: the promise was not kept.
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
        assert!(tokio::time::Instant::now() < deadline, "waited twenty seconds, and it did not happen: {what}");
        // Between two looks, so that the looking does not starve what is looked at.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
